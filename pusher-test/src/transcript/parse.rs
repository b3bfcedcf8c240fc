//! Reading transcripts.

use super::{InvalidLine, ParseError, Setup, Step, Transcript};

/// A transcript whose options have not been read yet.
struct Draft {
    /// The line of the title.
    number: usize,
    title: String,
    remarks: Vec<String>,
    options: Vec<(usize, String, String)>,
    steps: Vec<Step>,
}

pub(crate) fn one(text: &str) -> Result<Transcript, ParseError> {
    let mut drafts = drafts(text)?.into_iter();
    let Some(first) = drafts.next() else { return Err(ParseError::new(1, no_title())) };
    if let Some(second) = drafts.next() {
        let reason = InvalidLine::new("a second transcript begins; `parse_all` reads several");
        return Err(ParseError::new(second.number, reason));
    }
    first.finish()
}

pub(crate) fn all(text: &str) -> Result<Vec<Transcript>, ParseError> {
    drafts(text)?.into_iter().map(Draft::finish).collect()
}

/// Splits a file into its transcripts. Each begins with `# ` and its title.
fn drafts(text: &str) -> Result<Vec<Draft>, ParseError> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut is_in_header = false;
    for (at, line) in text.lines().enumerate() {
        let (number, line) = (at + 1, line.trim_end());
        if let Some(comment) = line.strip_prefix("# ") {
            match drafts.last_mut() {
                Some(draft) if is_in_header => draft.remarks.push(comment.to_owned()),
                _ => drafts.push(Draft::new(number, comment)),
            }
            is_in_header = true;
            continue;
        }
        is_in_header = false;
        match drafts.last_mut() {
            _ if line.is_empty() => {}
            Some(draft) => draft.add(number, line).map_err(|reason| ParseError::new(number, reason))?,
            None => return Err(ParseError::new(number, no_title())),
        }
    }
    Ok(drafts)
}

impl Draft {
    fn new(number: usize, title: &str) -> Self {
        Self { number, title: title.to_owned(), remarks: vec![], options: vec![], steps: vec![] }
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), InvalidLine> {
        match line.chars().next() {
            Some('=') => {
                let option = line[1..].trim().split_once(' ');
                let (name, value) = option.ok_or_else(|| InvalidLine::expected("= NAME VALUE"))?;
                self.options.push((number, name.to_owned(), value.to_owned()));
            }
            Some('!' | '<' | '+') => {
                self.steps.push(Step { number, text: line.to_owned(), line: line.parse()?, outputs: vec![] });
            }
            Some('>' | '*') => {
                let step = self.steps.last_mut();
                let step = step.ok_or_else(|| InvalidLine::new("an output must follow an input"))?;
                step.outputs.push(line.to_owned());
            }
            Some('#') => return Err(InvalidLine::expected("# TEXT")),
            Some(other) => {
                return Err(InvalidLine::new(format!("{other:?} does not begin a line of a transcript")));
            }
            None => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Transcript, ParseError> {
        let options = self.options.iter().map(|(_, name, value)| (name.as_str(), value.as_str()));
        let setup = Setup::new(options).map_err(|(at, reason)| {
            let option = at.and_then(|at| self.options.get(at));
            ParseError::new(option.map_or(self.number, |(number, ..)| *number), reason)
        })?;
        let options = self.options.into_iter().map(|(_, name, value)| (name, value)).collect();
        Ok(Transcript { title: self.title, remarks: self.remarks, options, setup, steps: self.steps })
    }
}

fn no_title() -> InvalidLine {
    InvalidLine::new("expected `# TITLE`, since a transcript begins with its title")
}
