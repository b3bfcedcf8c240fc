//! Reading transcripts.

use std::time::Duration;

/// One transcript: a title, options, and lines.
pub(crate) struct Case {
    pub(crate) title: String,
    /// Comment lines after the title, kept when blessed.
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
pub(crate) fn cases(text: &str) -> Result<Vec<Case>, String> {
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
            if line.is_empty() {
                continue;
            }
            return Err(format!("line {}: a transcript begins with its title", number + 1));
        };
        match line.chars().next() {
            None => {}
            Some('=') => {
                let (name, value) = line[1..].trim().split_once(' ').ok_or("an option has a name and a value")?;
                case.options.push((name.to_owned(), value.to_owned()));
            }
            Some('!' | '<' | '+') => case.steps.push(Step { input: line.to_owned(), outputs: vec![] }),
            Some('>' | '*') => {
                let step = case.steps.last_mut().ok_or("an output follows an input")?;
                step.outputs.push(line.to_owned());
            }
            Some(other) => return Err(format!("line {}: {other:?} does not begin a line of a transcript", number + 1)),
        }
    }
    Ok(cases)
}

/// Reads `250ms`, `1.5s`, `2m`, `8h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("m", 60.0), ("h", 3_600.0), ("s", 1.0)];
    let read = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, unit) = read.unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.filter(|duration| *duration <= LONGEST).ok_or_else(|| format!("{text:?} is not a duration"))
}

/// Longer than any transcript waits.
const LONGEST: Duration = Duration::from_secs(1_000_000);
