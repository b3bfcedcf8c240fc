//! The words of an expression.

use alloc::string::String;

use super::ExpressionError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Identifier,
    QuotedIdentifier,
    Number,
    /// JSON in backticks, or a string in single quotes.
    Literal,
    Dot,
    Star,
    /// `[]`
    Flatten,
    /// `[?`
    Filter,
    And,
    Or,
    Pipe,
    Not,
    /// `==`, `!=`, `<`, `<=`, `>` or `>=`
    Comparator,
    At,
    Ampersand,
    Comma,
    Colon,
    LeftBracket,
    RightBracket,
    LeftParenthesis,
    RightParenthesis,
    LeftBrace,
    RightBrace,
    End,
}

impl Token {
    /// How strongly the token binds to what stands before it; 0 if it cannot follow an expression.
    pub(super) const fn binding(self) -> u8 {
        match self {
            Self::Pipe => 1,
            Self::Or => 2,
            Self::And => 3,
            Self::Comparator => 5,
            Self::Flatten => 9,
            Self::Star => 20,
            Self::Filter => 21,
            Self::Dot => 40,
            Self::Not => 45,
            Self::LeftBrace => 50,
            Self::LeftBracket => 55,
            Self::LeftParenthesis => 60,
            Self::Identifier
            | Self::QuotedIdentifier
            | Self::Number
            | Self::Literal
            | Self::At
            | Self::Ampersand
            | Self::Comma
            | Self::Colon
            | Self::RightBracket
            | Self::RightParenthesis
            | Self::RightBrace
            | Self::End => 0,
        }
    }
}

/// A position in an expression. Copies look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// Returns the next token, and where it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token), ExpressionError> {
        self.skip(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
        let start = self.at;
        let Some(byte) = self.byte() else { return Ok((start, Token::End)) };
        self.at += 1;
        let token = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.skip(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Token::Identifier
            }
            b'0'..=b'9' | b'-' => self.number(start)?,
            b'"' => self.quoted(start)?,
            b'\'' => self.enclosed(start, b'\'').map(|_| Token::Literal)?,
            b'`' => self.literal(start)?,
            b'[' if self.take(b']') => Token::Flatten,
            b'[' if self.take(b'?') => Token::Filter,
            b'[' => Token::LeftBracket,
            b'|' if self.take(b'|') => Token::Or,
            b'|' => Token::Pipe,
            b'&' if self.take(b'&') => Token::And,
            b'&' => Token::Ampersand,
            b'=' if self.take(b'=') => Token::Comparator,
            b'!' if self.take(b'=') => Token::Comparator,
            b'!' => Token::Not,
            b'<' | b'>' => {
                self.take(b'=');
                Token::Comparator
            }
            b'.' => Token::Dot,
            b'*' => Token::Star,
            b'@' => Token::At,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b']' => Token::RightBracket,
            b'(' => Token::LeftParenthesis,
            b')' => Token::RightParenthesis,
            b'{' => Token::LeftBrace,
            b'}' => Token::RightBrace,
            b'=' => return Err(ExpressionError::Syntax { at: start, expected: "`==`" }),
            _ => return Err(ExpressionError::Syntax { at: start, expected: "a character that JMESPath has" }),
        };
        Ok((start, token))
    }

    fn byte(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.byte() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.byte().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    /// An index: 32 bits, and no negative zero.
    fn number(&mut self, start: usize) -> Result<Token, ExpressionError> {
        self.skip(|byte| byte.is_ascii_digit());
        let text = &self.source[start..self.at];
        let is_number = !text.starts_with("-0") && text.trim_start_matches('-').parse::<i32>().is_ok();
        if is_number { Ok(Token::Number) } else { Err(ExpressionError::Syntax { at: start, expected: "a number" }) }
    }

    fn quoted(&mut self, start: usize) -> Result<Token, ExpressionError> {
        self.enclosed(start, b'"')?;
        match serde_json::from_str::<String>(&self.source[start..self.at]) {
            Ok(_) => Ok(Token::QuotedIdentifier),
            Err(_) => Err(ExpressionError::Syntax { at: start, expected: "a JSON string" }),
        }
    }

    fn literal(&mut self, start: usize) -> Result<Token, ExpressionError> {
        let json = self.enclosed(start, b'`')?.replace("\\`", "`");
        match serde_json::from_str::<serde_json::Value>(&json) {
            Ok(_) => Ok(Token::Literal),
            Err(_) => Err(ExpressionError::Syntax { at: start, expected: "JSON in backticks" }),
        }
    }

    /// Skips to the closing delimiter, which a backslash can escape. Returns what is in between.
    fn enclosed(&mut self, start: usize, delimiter: u8) -> Result<&'a str, ExpressionError> {
        while let Some(byte) = self.byte() {
            self.at += 1;
            if byte == delimiter {
                return Ok(&self.source[start + 1..self.at - 1]);
            }
            if byte == b'\\' {
                // Possibly a part of a character; the other parts are no delimiters.
                self.at += usize::from(self.byte().is_some());
            }
        }
        Err(ExpressionError::Syntax { at: start, expected: "a closing delimiter" })
    }
}
