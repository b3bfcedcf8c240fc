//! The grammar of expressions, as the parser of the server reads it: by the strength with which operators bind.

use super::lexer::{Lexer, Token};
use super::{ExpressionError, MAX_DEPTH, MAX_NODES};

/// The size of the tree that an expression stands for. The tree itself is not needed.
#[derive(Clone, Copy, Debug)]
struct Tree {
    nodes: usize,
    depth: usize,
    /// A plain name, which may be the name of a function.
    is_field: bool,
}

impl Tree {
    const LEAF: Self = Self { nodes: 1, depth: 1, is_field: false };

    /// A node above others.
    fn above(children: &[Self]) -> Result<Self, ExpressionError> {
        let nodes = 1 + children.iter().map(|child| child.nodes).sum::<usize>();
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or_default();
        if nodes > MAX_NODES {
            return Err(ExpressionError::TooManyNodes);
        }
        if depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        Ok(Self { nodes, depth, is_field: false })
    }
}

type Parsed = Result<Tree, ExpressionError>;

/// Checks the grammar and the size of an expression.
pub(super) fn check(source: &str) -> Result<(), ExpressionError> {
    let mut parser = Parser { lexer: Lexer::new(source), nesting: 0 };
    parser.expression(0)?;
    parser.expect(Token::End, "an operator or the end")
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// How many expressions are being read.
    nesting: usize,
}

impl Parser<'_> {
    /// Reads what binds more strongly than `binding`.
    fn expression(&mut self, binding: u8) -> Parsed {
        // The depth of the tree is known only at the end, and parentheses do not add to it.
        if self.nesting == MAX_NESTING {
            return Err(ExpressionError::TooDeep);
        }
        self.nesting += 1;
        let mut left = self.operand()?;
        while binding < self.peek()?.binding() {
            left = self.operator(left)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    /// What can begin an expression.
    fn operand(&mut self) -> Parsed {
        let (at, token) = self.lexer.next()?;
        match token {
            Token::At | Token::Literal => Ok(Tree::LEAF),
            Token::Identifier => Ok(Tree { is_field: true, ..Tree::LEAF }),
            Token::QuotedIdentifier if self.peek()? == Token::LeftParenthesis => {
                Err(ExpressionError::Syntax { at, expected: "a function name without quotes" })
            }
            Token::QuotedIdentifier => Ok(Tree { is_field: true, ..Tree::LEAF }),
            Token::Star => self.all_values(Tree::LEAF),
            Token::LeftBracket => self.bracket(),
            Token::Flatten => self.flatten(Tree::LEAF),
            Token::LeftBrace => self.object(),
            Token::Ampersand => Tree::above(&[self.expression(Token::Ampersand.binding())?]),
            Token::Not => Tree::above(&[self.expression(Token::Not.binding())?]),
            Token::Filter => self.filter(Tree::LEAF),
            Token::LeftParenthesis => {
                let inner = self.expression(0)?;
                self.expect(Token::RightParenthesis, "`)`")?;
                Ok(inner)
            }
            Token::Number
            | Token::Dot
            | Token::And
            | Token::Or
            | Token::Pipe
            | Token::Comparator
            | Token::Comma
            | Token::Colon
            | Token::RightBracket
            | Token::RightParenthesis
            | Token::RightBrace
            | Token::End => Err(ExpressionError::Syntax { at, expected: "an operand" }),
        }
    }

    /// An operator and what follows it, after `left`.
    fn operator(&mut self, left: Tree) -> Parsed {
        let (at, token) = self.lexer.next()?;
        match token {
            Token::Dot if self.peek()? == Token::Star => {
                self.lexer.next()?;
                self.all_values(left)
            }
            Token::Dot => Tree::above(&[left, self.member(token.binding())?]),
            Token::Or | Token::And | Token::Pipe | Token::Comparator => {
                Tree::above(&[left, self.expression(token.binding())?])
            }
            Token::LeftBracket if matches!(self.peek()?, Token::Number | Token::Colon) => {
                Tree::above(&[left, self.index()?])
            }
            Token::LeftBracket => {
                self.expect(Token::Star, "a number, `:` or `*`")?;
                self.all_elements(left)
            }
            Token::LeftParenthesis if left.is_field => self.list(Token::RightParenthesis),
            Token::LeftParenthesis => {
                Err(ExpressionError::Syntax { at, expected: "the name of a function before `(`" })
            }
            Token::Flatten => self.flatten(left),
            Token::Filter => self.filter(left),
            // These bind to what follows, or close something.
            Token::Star
            | Token::Not
            | Token::LeftBrace
            | Token::Identifier
            | Token::QuotedIdentifier
            | Token::Number
            | Token::Literal
            | Token::At
            | Token::Ampersand
            | Token::Comma
            | Token::Colon
            | Token::RightBracket
            | Token::RightParenthesis
            | Token::RightBrace
            | Token::End => Err(ExpressionError::Syntax { at, expected: "an operator" }),
        }
    }

    /// What follows a dot.
    fn member(&mut self, binding: u8) -> Parsed {
        let next = self.peek()?;
        if next == Token::LeftBracket {
            self.lexer.next()?;
            return self.list(Token::RightBracket);
        }
        let is_name = matches!(next, Token::Identifier | Token::QuotedIdentifier);
        if is_name || matches!(next, Token::Star | Token::LeftBrace | Token::Ampersand) {
            self.expression(binding)
        } else {
            self.unexpected("a name, `*`, `[`, `{` or `&`")
        }
    }

    /// What follows `[` at the beginning of an expression: an index, all elements, or a list of expressions.
    fn bracket(&mut self) -> Parsed {
        let mut ahead = self.lexer;
        let (_, next) = ahead.next()?;
        if matches!(next, Token::Number | Token::Colon) {
            return self.index();
        }
        if next == Token::Star && ahead.next()?.1 == Token::RightBracket {
            self.lexer.next()?;
            return self.all_elements(Tree::LEAF);
        }
        self.list(Token::RightBracket)
    }

    /// `3]`, `1:2]`, `::-1]` and the like.
    fn index(&mut self) -> Parsed {
        let mut colons = 0;
        loop {
            let (at, token) = self.lexer.next()?;
            if token == Token::RightBracket {
                break;
            }
            let next = self.peek()?;
            let is_colon = token == Token::Colon && colons < 2;
            let is_followed = matches!(next, Token::Colon | Token::RightBracket) || is_colon && next == Token::Number;
            if !is_followed || !is_colon && token != Token::Number {
                return Err(ExpressionError::Syntax {
                    at,
                    expected: "an index such as `[3]`, or a slice such as `[1:2]`",
                });
            }
            colons += u8::from(is_colon);
        }
        if colons == 0 { Ok(Tree::LEAF) } else { Tree::above(&[Tree::LEAF, self.projected(Token::Star.binding())?]) }
    }

    /// `]` after `[*`.
    fn all_elements(&mut self, left: Tree) -> Parsed {
        self.expect(Token::RightBracket, "`]`")?;
        Tree::above(&[left, self.projected(Token::Star.binding())?])
    }

    fn all_values(&mut self, left: Tree) -> Parsed {
        Tree::above(&[Tree::above(&[left])?, self.projected(Token::Star.binding())?])
    }

    fn flatten(&mut self, left: Tree) -> Parsed {
        Tree::above(&[Tree::above(&[left])?, self.projected(Token::Flatten.binding())?])
    }

    /// The condition and `]` after `[?`.
    fn filter(&mut self, left: Tree) -> Parsed {
        let condition = self.expression(0)?;
        self.expect(Token::RightBracket, "`]`")?;
        let projected = self.projected(Token::Filter.binding())?;
        Tree::above(&[left, Tree::above(&[condition, projected])?])
    }

    /// What is taken of each element of a projection.
    fn projected(&mut self, binding: u8) -> Parsed {
        let next = self.peek()?;
        if next == Token::Dot {
            self.lexer.next()?;
            return self.member(binding);
        }
        if matches!(next, Token::LeftBracket | Token::Filter) {
            return self.expression(binding);
        }
        if next.binding() < PROJECTION_END { Ok(Tree::LEAF) } else { self.unexpected("`.`, `[` or `[?`") }
    }

    /// The fields of `{name: expression, …}`, of which there is at least one.
    fn object(&mut self) -> Parsed {
        let mut object = Tree::LEAF;
        loop {
            let (at, key) = self.lexer.next()?;
            if !matches!(key, Token::Identifier | Token::QuotedIdentifier) {
                return Err(ExpressionError::Syntax { at, expected: "a name" });
            }
            self.expect(Token::Colon, "`:`")?;
            object = with_child(object, self.expression(0)?)?;
            let (at, end) = self.lexer.next()?;
            if end == Token::RightBrace {
                return Ok(object);
            }
            if end != Token::Comma {
                return Err(ExpressionError::Syntax { at, expected: "`,` or `}`" });
            }
        }
    }

    /// Expressions up to `closing`. Like the server's parser, this does not insist on commas.
    fn list(&mut self, closing: Token) -> Parsed {
        let mut list = Tree::LEAF;
        while self.peek()? != closing {
            list = with_child(list, self.expression(0)?)?;
            if self.peek()? == Token::Comma {
                self.lexer.next()?;
                if self.peek()? == closing {
                    return self.unexpected("an expression");
                }
            }
        }
        self.lexer.next()?;
        Ok(list)
    }

    fn peek(&self) -> Result<Token, ExpressionError> {
        let mut ahead = self.lexer;
        Ok(ahead.next()?.1)
    }

    fn expect(&mut self, token: Token, expected: &'static str) -> Result<(), ExpressionError> {
        let (at, next) = self.lexer.next()?;
        if next == token { Ok(()) } else { Err(ExpressionError::Syntax { at, expected }) }
    }

    fn unexpected(&mut self, expected: &'static str) -> Parsed {
        let (at, _) = self.lexer.next()?;
        Err(ExpressionError::Syntax { at, expected })
    }
}

/// The same node with one child more.
fn with_child(node: Tree, child: Tree) -> Parsed {
    let above = Tree::above(&[child])?;
    if node.nodes + child.nodes > MAX_NODES {
        return Err(ExpressionError::TooManyNodes);
    }
    Ok(Tree { nodes: node.nodes + child.nodes, depth: node.depth.max(above.depth), is_field: false })
}

/// Tokens that bind less strongly end a projection.
const PROJECTION_END: u8 = 10;

/// Expressions within expressions: as many as the deepest tree has, and as many parentheses.
const MAX_NESTING: usize = 2 * MAX_DEPTH;
