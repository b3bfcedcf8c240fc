//! A plot of the figures over time, in light or dark colours.

use std::fmt::Write as _;

use super::report::number;
use super::sampler::Sample;

/// The texts of the plot.
pub(super) struct Caption {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// Moments with a name, in seconds.
    pub(super) marks: Vec<(f64, &'static str)>,
}

/// One diagram.
struct Panel {
    title: &'static str,
    lines: Vec<Line>,
    is_bars: bool,
}

struct Line {
    name: &'static str,
    /// The class that sets its colour.
    class: &'static str,
    values: Vec<Option<f64>>,
}

/// Returns the plot as an SVG document.
pub(super) fn draw(caption: &Caption, samples: &[Sample]) -> String {
    let seconds: Vec<f64> = samples.iter().map(|sample| sample.second).collect();
    let panels = panels(samples);
    let height = TOP + panels.len() as f64 * (PANEL + GAP) + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"26\">{}</text>\n<text class=\"note\" x=\"{LEFT}\" y=\"44\">{}</text>\n",
        escaped(&caption.title),
        escaped(&caption.subtitle)
    );
    let end = seconds.last().copied().unwrap_or_default().max(1.0);
    let x = |second: f64| LEFT + second / end * (WIDTH - LEFT - RIGHT);
    for (place, panel) in panels.iter().enumerate() {
        let top = TOP + place as f64 * (PANEL + GAP);
        panel.draw(&mut svg, top, &seconds, x);
    }
    let bottom = height - BOTTOM - GAP;
    for &(second, name) in &caption.marks {
        let x = x(second);
        for place in 0..panels.len() {
            let top = TOP + place as f64 * (PANEL + GAP);
            let _ = writeln!(svg, "<path class=\"mark\" d=\"M{x:.1} {top}v{PANEL}\"/>");
        }
        let _ = writeln!(svg, "<text class=\"note\" x=\"{:.1}\" y=\"{}\">{name}</text>", x + 4.0, bottom + 28.0);
    }
    let step = step(end, 10.0);
    for number in 0..=(end / step) as u32 {
        let second = f64::from(number) * step;
        let _ = writeln!(
            svg,
            "<text class=\"note middle\" x=\"{:.1}\" y=\"{}\">{} s</text>",
            x(second),
            bottom + 14.0,
            plain(second)
        );
    }
    svg + "</svg>\n"
}

fn panels(samples: &[Sample]) -> [Panel; 4] {
    let line = |name, class, value: &dyn Fn(&Sample) -> Option<f64>| Line {
        name,
        class,
        values: samples.iter().map(value).collect(),
    };
    // A sample is as long as the time since the one before.
    let before = std::iter::once(0.0).chain(samples.iter().map(|sample| sample.second));
    let received = samples.iter().zip(before).map(|(sample, before)| {
        let length = sample.second - before;
        // The last sample may be too short for a meaningful rate.
        (length > 0.5).then(|| sample.received as f64 / length)
    });
    let received = Line { name: "received", class: "a", values: received.collect() };
    // Late arrivals can make a count negative.
    let gone = |count: i64| Some(count.max(0) as f64);
    [
        Panel {
            title: "clients",
            lines: vec![line("subscribed", "a", &|sample| Some(sample.subscribed as f64))],
            is_bars: false,
        },
        Panel { title: "deliveries per second", lines: vec![received], is_bars: false },
        Panel {
            title: "latency in ms",
            lines: vec![
                line("p50", "a", &|sample| sample.latency.p50),
                line("p99", "b", &|sample| sample.latency.p99),
                line("max", "c", &|sample| sample.latency.max),
            ],
            is_bars: false,
        },
        Panel {
            title: "deliveries that did not arrive",
            lines: vec![
                line("missed", "b", &|sample| gone(sample.missed)),
                line("lost", "c", &|sample| gone(sample.lost)),
            ],
            is_bars: true,
        },
    ]
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, seconds: &[f64], x: impl Fn(f64) -> f64) {
        let values = self.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
        let highest = values.fold(0.0, f64::max);
        let step = step(if highest > 0.0 { highest } else { 1.0 }, 4.0);
        let max = ((highest / step).ceil() * step).max(step);
        let y = |value: f64| top + PANEL - value / max * PANEL;
        for number in 0..=(max / step).round() as u32 {
            let value = f64::from(number) * step;
            let y = y(value);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/>", WIDTH - RIGHT);
            let _ = writeln!(
                svg,
                "<text class=\"note end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                plain(value)
            );
        }
        let _ = writeln!(svg, "<text class=\"head\" x=\"{LEFT}\" y=\"{}\">{}</text>", top - 10.0, self.title);
        for (place, line) in self.lines.iter().enumerate() {
            let at = WIDTH - RIGHT - (self.lines.len() - place) as f64 * 90.0;
            let _ = writeln!(
                svg,
                "<rect class=\"fill {}\" x=\"{at}\" y=\"{}\" width=\"12\" height=\"4\"/>",
                line.class,
                top - 16.0
            );
            let _ = writeln!(svg, "<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>", at + 18.0, top - 10.0, line.name);
            if self.is_bars {
                // Side by side.
                let shift = place as f64 * BAR - BAR;
                line.bars(svg, seconds, |second| x(second) + shift, y);
            } else {
                line.path(svg, seconds, &x, y);
            }
        }
    }
}

impl Line {
    /// A line with a gap where there is no value.
    fn path(&self, svg: &mut String, seconds: &[f64], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
        let mut path = String::new();
        let mut is_drawing = false;
        for (second, value) in seconds.iter().zip(&self.values) {
            if let Some(value) = value {
                let command = if is_drawing { 'L' } else { 'M' };
                // A single value becomes a dot.
                let dot = if is_drawing { "" } else { "h0" };
                let _ = write!(path, "{command}{:.1} {:.1}{dot}", x(*second), y(*value));
            }
            is_drawing = value.is_some();
        }
        if !path.is_empty() {
            let _ = writeln!(svg, "<path class=\"line {}\" d=\"{path}\"/>", self.class);
        }
    }

    fn bars(&self, svg: &mut String, seconds: &[f64], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
        for (second, value) in seconds.iter().zip(&self.values) {
            if let Some(value) = value.filter(|value| *value > 0.0) {
                let (x, y, zero) = (x(*second), y(value), y(0.0));
                let _ = writeln!(
                    svg,
                    "<rect class=\"fill {}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BAR}\" height=\"{:.1}\"/>",
                    self.class,
                    (zero - y).max(1.0)
                );
            }
        }
    }
}

/// The smallest of 1, 2 and 5, times a power of ten, of which at most `count` fit into the range.
fn step(range: f64, count: f64) -> f64 {
    let power = 10_f64.powf((range / count).log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| range / step <= count).unwrap_or(power * 10.0)
}

fn plain(value: f64) -> String {
    if value.fract() == 0.0 { number(value as u64) } else { format!("{value:.3}").trim_end_matches('0').to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 8.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 48.0;
const BAR: f64 = 4.0;

/// The colours also differ in brightness, for readers who cannot distinguish them.
const STYLE: &str = "
svg { --page: #ffffff; --text: #1f2328; --quiet: #59636e; --grid: #d8dee4; --a: #0969da; --b: #b35900; --c: #a40e26; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --text: #e6edf3; --quiet: #9198a1; --grid: #30363d; --a: #58a6ff; --b: #f0a13c; --c: #ff7b72; }
}
text { font: 12px system-ui, sans-serif; fill: var(--text); }
.title { font-size: 15px; font-weight: 600; }
.head { font-weight: 600; }
.note { fill: var(--quiet); font-variant-numeric: tabular-nums; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.page { fill: var(--page); }
.grid { stroke: var(--grid); fill: none; }
.mark { stroke: var(--quiet); fill: none; stroke-dasharray: 3 3; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.a { stroke: var(--a); } .line.b { stroke: var(--b); } .line.c { stroke: var(--c); }
.fill.a { fill: var(--a); } .fill.b { fill: var(--b); } .fill.c { fill: var(--c); }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        let steps = [(1.0, 4.0), (3.9, 4.0), (5.0, 4.0), (1_234.0, 4.0), (0.03, 4.0), (30.0, 10.0)];
        assert_eq!(steps.map(|(range, count)| step(range, count)), [0.5, 1.0, 2.0, 500.0, 0.01, 5.0]);
    }

    #[test]
    fn a_run_without_figures_can_be_drawn() {
        let svg = draw(&Caption { title: "a & b".into(), subtitle: "<c>".into(), marks: vec![(0.5, "storm")] }, &[]);
        assert!(
            svg.contains("a &amp; b") && svg.contains("&lt;c&gt;") && svg.ends_with("</svg>\n") && !svg.contains("NaN"),
            "{svg}"
        );
    }
}
