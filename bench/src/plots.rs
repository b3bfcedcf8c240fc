//! Plots of the measurements.

use std::fs;
use std::path::Path;

use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;

use crate::Result;
use crate::measured::{Costs, READERS, SIZES};
use crate::reconnects::{OUTAGE, Reconnects};
use crate::table::count;

pub(crate) type Memory = Vec<(&'static str, Vec<(usize, f64)>)>;

/// Writes `cpu.svg`, `memory.svg` and `reconnects.svg` into a directory.
pub(crate) fn draw(directory: &Path, costs: &Costs, memory: &Memory, reconnects: &Reconnects) -> Result<()> {
    fs::create_dir_all(directory)?;
    cpu(&directory.join("cpu.svg"), costs)?;
    self::memory(&directory.join("memory.svg"), memory)?;
    self::reconnects(&directory.join("reconnects.svg"), reconnects)?;
    anstream::eprintln!("plots are in {}", directory.display());
    Ok(())
}

fn cpu(path: &Path, costs: &Costs) -> Result<()> {
    let root = canvas(path)?;
    let sizes = || SIZES.iter().map(|size| f64::from(size.payload_len));
    let highest = costs.iter().flatten().copied().fold(0.0, f64::max) / 1e3;
    let lowest = costs.iter().flatten().copied().fold(f64::MAX, f64::min) / 1e3;
    let mut chart = chart(&root, "CPU time of an event")
        .build_cartesian_2d((80.0..12_500.0_f64).log_scale(), (lowest / 1.3..highest * 1.3).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("payload, bytes")
        .y_desc("CPU time, µs")
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .light_line_style(WHITE)
        .y_labels(20)
        .x_label_formatter(&|bytes| count(*bytes))
        .y_label_formatter(&|micros| one_two_five(*micros))
        .draw()?;
    for ((reader, row), color) in READERS.iter().zip(costs).zip(COLORS) {
        let points: Vec<_> = sizes().zip(row.iter().map(|nanos| nanos / 1e3)).collect();
        let line = chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        line.label(reader.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, color.filled())))?;
    }
    name_lines(&mut chart)?;
    Ok(root.present()?)
}

fn memory(path: &Path, memory: &Memory) -> Result<()> {
    let root = canvas(path)?;
    let points = || memory.iter().flat_map(|(_, points)| points);
    let most = points().map(|(clients, _)| *clients).max().unwrap_or_default();
    let highest = points().map(|(_, kib)| kib / 1_024.0).fold(0.0, f64::max);
    let mut chart = chart(&root, "Memory of idle connections").build_cartesian_2d(0..most, 0.0..highest * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("connections")
        .y_desc("resident, MiB")
        .x_label_formatter(&|clients| count(*clients as f64))
        .y_label_formatter(&|mib| count(*mib))
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .light_line_style(WHITE)
        .draw()?;
    for ((name, points), color) in memory.iter().zip(COLORS) {
        let points = [(0, 0.0)].into_iter().chain(points.iter().map(|(clients, kib)| (*clients, kib / 1_024.0)));
        let line = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
        line.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    name_lines(&mut chart)?;
    Ok(root.present()?)
}

fn reconnects(path: &Path, reconnects: &Reconnects) -> Result<()> {
    let root = canvas(path)?;
    let seconds = reconnects.by_second();
    let highest = seconds.iter().copied().max().unwrap_or_default();
    let clients = reconnects.late.len();
    let end = u32::try_from(seconds.len())?;
    let away = OUTAGE.as_secs();
    let title = format!("Attempts of {} clients to connect while a server is away for {away} s", count(clients as f64));
    let mut chart = chart(&root, &title).build_cartesian_2d(0..end, 0..highest + highest / 10)?;
    chart
        .configure_mesh()
        .x_desc("seconds after the connections were lost")
        .y_desc("attempts in a second")
        .y_label_formatter(&|attempts| count((*attempts).into()))
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .light_line_style(WHITE)
        .disable_x_mesh()
        .draw()?;
    let bars = (0..).zip(seconds).map(|(second, attempts)| {
        let mut bar = Rectangle::new([(second, 0), (second + 1, attempts)], COLORS[2].filled());
        bar.set_margin(0, 0, 1, 1);
        bar
    });
    chart.draw_series(bars)?;
    Ok(root.present()?)
}

fn chart<'a, 'b>(root: &'a Canvas<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(root);
    chart.caption(title, TITLE).margin(16).margin_right(32).x_label_area_size(44).y_label_area_size(64);
    chart
}

/// Draws the legend where there are no lines.
fn name_lines<'a, C: CoordTranslate>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>) -> Result<()> {
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft).background_style(WHITE).border_style(GREY).label_font(LABEL);
    Ok(labels.draw()?)
}

/// Labels of a logarithmic axis that do not overlap.
fn one_two_five(value: f64) -> String {
    let digits = format!("{value:.0e}");
    if digits.starts_with(['1', '2', '5']) { digits.parse::<f64>().unwrap_or(value).to_string() } else { String::new() }
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn canvas(path: &Path) -> Result<Canvas<'_>> {
    let root = SVGBackend::new(path, (760, 440)).into_drawing_area();
    // White, since pages may be dark.
    root.fill(&WHITE)?;
    Ok(root)
}

const TITLE: (&str, u32) = ("sans-serif", 20);
const LABEL: (&str, u32) = ("sans-serif", 14);
const GREY: RGBColor = RGBColor(200, 200, 200);

/// Colours that people with colour blindness can distinguish (Okabe and Ito).
const COLORS: [RGBColor; 6] = [
    RGBColor(90, 90, 90),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
];
