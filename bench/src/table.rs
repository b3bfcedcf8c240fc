//! Markdown tables that are also aligned in a terminal.

use anstyle::{AnsiColor, Style};

/// Rows of cells below a heading. The first column is aligned to the left.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// A text, and whether it meets its target, if it has one.
pub(crate) struct Cell {
    text: String,
    holds: Option<bool>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&text| text.into()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push([Cell::text(name)].into_iter().chain(cells).collect());
    }

    /// Prints the table, with colours on a terminal.
    pub(crate) fn print(&self, title: &str) {
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        anstream::println!("\n{title}\n");
        let head: Vec<_> =
            self.head.iter().enumerate().map(|(column, text)| pad(text, column, widths[column])).collect();
        anstream::println!("| {} |", head.join(" | "));
        let line = |(column, width): (usize, &usize)| match column {
            0 => "-".repeat(width + 2),
            _ => format!("{}:", "-".repeat(width + 1)),
        };
        anstream::println!("|{}|", widths.iter().enumerate().map(line).collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            let cells: Vec<_> =
                row.iter().enumerate().map(|(column, cell)| cell.paint(column, widths[column])).collect();
            anstream::println!("| {} |", cells.join(" | "));
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        cells.chain([self.head[column].chars().count()]).max().unwrap_or_default()
    }
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), holds: None }
    }

    /// A measured value with its target.
    pub(crate) fn judged(text: impl Into<String>, value: f64, target: f64) -> Self {
        Self { text: text.into(), holds: Some(value <= target) }
    }

    fn paint(&self, column: usize, width: usize) -> String {
        let style = match self.holds {
            None => Style::new(),
            Some(true) => AnsiColor::Green.on_default(),
            Some(false) => AnsiColor::Red.on_default(),
        };
        format!("{style}{}{style:#}", pad(&self.text, column, width))
    }
}

fn pad(text: &str, column: usize, width: usize) -> String {
    if column == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
}

/// Formats a number of nanoseconds with a suitable unit.
pub(crate) fn duration(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{nanos:.0} ns"),
        ..1e6 => format!("{:.2} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

/// Writes a whole number with commas.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
