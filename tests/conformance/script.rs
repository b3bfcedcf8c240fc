//! Reading transcripts.

use std::time::Duration;

/// One transcript: a title, options, and lines.
pub(crate) struct Case {
    pub(crate) title: String,
    /// Comment lines behind the title, kept when blessed.
    pub(crate) remarks: Vec<String>,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
}

/// An input and everything that must follow it.
pub(crate) struct Step {
    pub(crate) input: String,
    pub(crate) outputs: Vec<String>,
}

/// Splits a file into its transcripts. Each begins with `# ` and its title.
pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_header = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if let Some(comment) = line.strip_prefix("# ") {
            match cases.last_mut() {
                Some(case) if in_header => case.remarks.push(comment.to_owned()),
                _ => cases.push(Case { title: comment.to_owned(), remarks: vec![], options: vec![], steps: vec![] }),
            }
            in_header = true;
            continue;
        }
        in_header = false;
        let Some(case) = cases.last_mut() else {
            assert!(line.is_empty(), "line {}: a transcript begins with its title", number + 1);
            continue;
        };
        match line.chars().next() {
            None => {}
            Some('=') => {
                let (name, value) = line[1..].trim().split_once(' ').expect("an option has a name and a value");
                case.options.push((name.to_owned(), value.to_owned()));
            }
            Some('!' | '<' | '+') => case.steps.push(Step { input: line.to_owned(), outputs: vec![] }),
            Some('>' | '*') => {
                let step = case.steps.last_mut().expect("an output follows an input");
                step.outputs.push(line.to_owned());
            }
            Some(other) => panic!("line {}: {other:?} is no mark of a transcript", number + 1),
        }
    }
    cases
}

/// Reads `250ms`, `1.5s`, `2m`.
pub(crate) fn duration(text: &str) -> Duration {
    let parse = |number: &str| number.parse::<f64>().unwrap_or_else(|_| panic!("{text:?} is no duration"));
    if let Some(number) = text.strip_suffix("ms") {
        Duration::from_secs_f64(parse(number) / 1_000.0)
    } else if let Some(number) = text.strip_suffix('m') {
        Duration::from_secs_f64(parse(number) * 60.0)
    } else {
        Duration::from_secs_f64(parse(text.strip_suffix('s').unwrap_or(text)))
    }
}
