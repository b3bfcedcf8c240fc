#![doc = include_str!("notation.md")]

mod compare;
mod describe;
mod embedding;
mod failure;
mod history;
mod line;
mod parse;
mod player;
mod recording;
mod setup;
mod shrink;
mod v2;
mod words;

use std::fmt;

pub use describe::line;
pub use embedding::{Embedding, Input, Refusal};
pub use failure::{Failure, InvalidLine, ParseError};
pub use history::WrittenQuery;
pub use line::{Call, Line, Passing, Received};
pub use words::{Answer, WrittenEndpoint};

use compare::{matches, ranged};
pub(crate) use player::{Player, Stop};
pub(crate) use setup::Setup;

/// A situation as text: a title, options, inputs, and every output that must follow each of them.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::Transcript;
///
/// let text = "\
/// ## a client answers a ping of the server
/// ! connected
/// < {\"event\":\"pusher:ping\",\"data\":{}}
/// > {\"event\":\"pusher:pong\",\"data\":{}}
/// ";
/// let transcript = Transcript::parse(text)?;
/// transcript.play()?;
/// assert_eq!(transcript.bless()?, transcript.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transcript {
    title: String,
    /// Comment lines after the title.
    remarks: Vec<String>,
    options: Vec<(String, String)>,
    setup: Setup,
    steps: Vec<Step>,
}

/// An input and everything that must follow it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The number of the line in the text that was read, from 1, or that [`Transcript`] prints.
    number: usize,
    /// The line as it was written.
    text: String,
    line: Line,
    outputs: Vec<String>,
}

impl Transcript {
    /// Describes a situation with the default options, and without any expected outputs; [`Transcript::bless`] adds those
    /// that happen.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::{Line, Transcript};
    ///
    /// let transcript = Transcript::new("a client connects", [Line::Connected]);
    /// assert_eq!(transcript.to_string(), "# a client connects\n! connected\n");
    /// ```
    #[must_use]
    pub fn new(title: &str, lines: impl IntoIterator<Item = Line>) -> Self {
        let setup = Setup::default();
        let steps = lines.into_iter().enumerate().map(|(at, line)| {
            let text = words::in_line(&line.to_string());
            Step { number: at + 2, text: text.trim_end().to_owned(), line, outputs: Vec::new() }
        });
        let title = words::in_line(title);
        Self { title, remarks: Vec::new(), options: Vec::new(), setup, steps: steps.collect() }
    }

    /// The number of the line of the last input.
    pub(crate) fn last_number(&self) -> Option<usize> {
        self.steps.last().map(|step| step.number)
    }

    /// Reads one transcript.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which line; also if the text has no transcript or several ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let error = Transcript::parse("# a title\n! connected\n+ soon").unwrap_err();
    /// assert_eq!((error.line(), error.reason()), (3, "\"soon\" is not a duration"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::one(text)
    }

    /// Reads all transcripts of a file. Each begins with its title.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which line.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let all = Transcript::parse_all("# first\n! connected\n\n# second\n! name\n* initialized\n")?;
    /// assert_eq!(all.iter().map(Transcript::title).collect::<Vec<_>>(), ["first", "second"]);
    /// # Ok::<(), pusher_test::transcript::ParseError>(())
    /// ```
    pub fn parse_all(text: &str) -> Result<Vec<Self>, ParseError> {
        parse::all(text)
    }

    /// Reads the inputs of a session that `pusher record` wrote. The result expects no outputs; bless it.
    ///
    /// The notations of inputs are the same except for times, answers of the auth server and ends of sockets, which are
    /// translated. Outputs are left out, since a recording has every deadline and the JSON of every event, and `pusher replay`
    /// compares those.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which line.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let recording = "\
    /// pusher recording 1
    /// = server ws://127.0.0.1:6001
    /// = client 0.1.0
    /// = seed 7
    /// 0.000229 ! subscribe chat
    /// 0.000337 ! connect
    /// 0.015389 < open
    /// 0.020000 < end \"dropped\"
    /// end
    /// ";
    /// let blessed = Transcript::from_recording(recording)?.bless()?;
    /// assert!(blessed.contains("* connect ws://127.0.0.1:6001/app/app-key?protocol=7&client=pusher-cli&version=0.1.0"));
    /// assert!(blessed.contains("< dropped\n* "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_recording(text: &str) -> Result<Self, ParseError> {
        recording::read(text)
    }

    /// Returns the title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the inputs.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.steps.iter().map(|step| &step.line)
    }

    /// Plays it with the core.
    ///
    /// # Errors
    ///
    /// Where it first differs from what happens, or which line cannot be played.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let transcript = Transcript::parse("# wrong\n! connected\n! name\n* disconnected")?;
    /// let difference = transcript.play().unwrap_err().to_string();
    /// assert_eq!(difference, "line 3: after\n    ! name\nexpected\n    * disconnected\nhappened\n    * connected");
    /// # Ok::<(), pusher_test::transcript::ParseError>(())
    /// ```
    pub fn play(&self) -> Result<(), Failure> {
        self.play_with(&mut self.setup.client())
    }

    /// Plays it with an embedding of the core; [`Embedding`] has an example.
    ///
    /// # Errors
    ///
    /// Where it first differs from what happens, or which line cannot be played.
    pub fn play_with<E: Embedding>(&self, embedding: &mut E) -> Result<(), Failure> {
        let mut player = Player::new(embedding, &self.setup);
        for step in &self.steps {
            let happened = step.play(&mut player)?;
            let is_same = happened.len() == step.outputs.len()
                && happened.iter().zip(&step.outputs).all(|(happened, expected)| matches(happened, expected));
            if !is_same {
                return Err(step.differs(step.outputs.clone(), happened));
            }
        }
        Ok(())
    }

    /// Plays the inputs with the core and with an embedding of it: both must do the same, whatever the transcript expects.
    /// Lines that cannot be played, such as an answer to an authorization that was not requested, are passed
    /// over.
    ///
    /// # Errors
    ///
    /// The first difference; what the core does is what is expected.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{Client, Config};
    /// use pusher_test::transcript::{Line, Transcript};
    ///
    /// let mut embedding = Client::new(Config::new("any", "ws://localhost")?, 0);
    /// Transcript::new("a client connects", [Line::Connected]).compare(&mut embedding)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare<E: Embedding>(&self, embedding: &mut E) -> Result<(), Failure> {
        let mut core = self.setup.client();
        let mut reference = Player::new(&mut core, &self.setup);
        let mut subject = Player::new(embedding, &self.setup);
        for step in &self.steps {
            let expected = step.play_if_possible(&mut reference)?;
            let happened = step.play_if_possible(&mut subject)?;
            if expected != happened {
                return Err(step.differs(expected, happened));
            }
        }
        Ok(())
    }

    /// Returns the text with what the core does instead of what was expected. Lines that are right stay as they were
    /// written, and a random delay is written as its range. Review the difference.
    ///
    /// # Errors
    ///
    /// Which line cannot be played.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let blessed = Transcript::parse("# a name\n! connected\n! name")?.bless()?;
    /// assert_eq!(blessed, "# a name\n! connected\n! name\n* connected\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bless(&self) -> Result<String, Failure> {
        let mut core = self.setup.client();
        let mut player = Player::new(&mut core, &self.setup);
        let mut blessed = self.clone();
        for step in &mut blessed.steps {
            let happened = step.play(&mut player)?;
            let written = std::mem::take(&mut step.outputs);
            let lines = happened.iter().enumerate().map(|(at, line)| {
                // A line that was written by hand and matches stays unchanged.
                let written = written.get(at).filter(|expected| matches(line, expected));
                written.cloned().unwrap_or_else(|| ranged(line))
            });
            step.outputs = lines.collect();
        }
        Ok(blessed.to_string())
    }

    /// Removes inputs for which it still fails without them, long runs of them first, and returns what is left.
    ///
    /// Together with an input, the outputs that were expected after it are removed. So `still_fails` should not compare
    /// outputs with those of the transcript; [`Transcript::compare`] and a check of your own are suitable. It is called at
    /// most 3,000 times.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::transcript::Transcript;
    ///
    /// let long = Transcript::parse("# one line is enough\n! connect\n+ 5s\n! subscribe chat\n+ 5s\n! signin")?;
    /// let short = long.shrink(|transcript| transcript.to_string().contains("chat"));
    /// assert_eq!(short.to_string(), "# one line is enough\n! subscribe chat\n");
    /// # Ok::<(), pusher_test::transcript::ParseError>(())
    /// ```
    #[must_use]
    pub fn shrink(&self, still_fails: impl FnMut(&Self) -> bool) -> Self {
        shrink::shrink(self, still_fails)
    }
}

impl Step {
    /// Returns the lines of what happens.
    fn play<E: Embedding>(&self, player: &mut Player<'_, E>) -> Result<Vec<String>, Failure> {
        match player.give(&self.line) {
            Ok(outputs) => Ok(outputs.into_iter().filter_map(|output| output.line).collect()),
            Err(stop) => Err(Failure::stopped(self.number, &self.text, stop)),
        }
    }

    /// The same, with the reason as a comment if the line cannot be played.
    fn play_if_possible<E: Embedding>(&self, player: &mut Player<'_, E>) -> Result<Vec<String>, Failure> {
        match self.play(player) {
            Err(Failure::Impossible { reason, .. }) => Ok(vec![format!("# {reason}")]),
            result => result,
        }
    }

    fn differs(&self, expected: Vec<String>, happened: Vec<String>) -> Failure {
        Failure::Differs { line: self.number, input: self.text.clone(), expected, happened }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.title)?;
        for remark in &self.remarks {
            writeln!(f, "# {remark}")?;
        }
        for (name, value) in &self.options {
            writeln!(f, "= {name} {value}")?;
        }
        for step in &self.steps {
            writeln!(f, "{}", step.text)?;
            for output in &step.outputs {
                writeln!(f, "{output}")?;
            }
        }
        Ok(())
    }
}
