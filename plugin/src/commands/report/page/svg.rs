//! The marks of a chart, as SVG.
//!
//! Coordinates are whole tenths of a pixel of a narrow screen. Classes carry the colours, so that the page sets them for a
//! light screen, a dark one and paper.

use std::fmt::Write;

use cmp_core::usage::decimal;

use super::html::escaped;
use super::words::grouped;

/// The width of every chart.
pub(super) const WIDTH: i128 = 3600;
/// The most steps of an axis.
const STEPS: i128 = 5;

/// A chart in the making.
pub(super) struct Svg {
    marks: String,
    height: i128,
}

/// A rectangle that stands for one number.
pub(super) struct Mark<'a> {
    /// The class of its colour.
    pub(super) class: &'a str,
    /// The left upper corner.
    pub(super) at: (i128, i128),
    /// The width and the height.
    pub(super) size: (i128, i128),
    /// The number as it is in the table.
    pub(super) value: &'a str,
    /// The sentence about it.
    pub(super) title: &'a str,
}

impl Svg {
    /// Makes an empty chart.
    pub(super) fn new(height: i128) -> Self {
        Self { marks: String::new(), height }
    }

    /// Adds a mark. The page shows its title under the pointer.
    pub(super) fn mark(&mut self, mark: &Mark<'_>) {
        let Mark { class, at: (x, y), size: (width, height), value, title } = mark;
        // Writing to a String does not fail, here and below.
        writeln!(
            self.marks,
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" data-v=\"{}\"><title>{}</title></rect>",
            escaped(class),
            escaped(value),
            escaped(title)
        )
        .ok();
    }

    /// Adds a rectangle that stands for no number.
    pub(super) fn ground(&mut self, class: &str, at: (i128, i128), size: (i128, i128)) {
        let ((x, y), (width, height)) = (at, size);
        let class = escaped(class);
        writeln!(self.marks, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>")
            .ok();
    }

    /// Adds a line of several points.
    pub(super) fn line(&mut self, class: &str, points: &[(i128, i128)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        writeln!(self.marks, "<polyline class=\"{}\" points=\"{}\"/>", escaped(class), points.join(" ")).ok();
    }

    /// Adds a text. The class sets its anchor.
    pub(super) fn text(&mut self, class: &str, at: (i128, i128), text: &str) {
        let (class, text, (x, y)) = (escaped(class), escaped(text), at);
        writeln!(self.marks, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>").ok();
    }

    /// Returns the chart with its text alternative. `id` is a word of ours.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let Self { marks, height } = self;
        let (title, description) = (escaped(title), escaped(description));
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
             <title id=\"{id}-t\">{title}</title>\n<desc id=\"{id}-d\">{description}</desc>\n{marks}</svg>\n"
        )
    }
}

/// The scale of an axis that begins at 0.
pub(super) struct Scale {
    /// A thousandth of the unit.
    milli: i128,
    /// A step, in thousandths of the unit.
    step: i128,
    steps: i128,
    pixels: i128,
}

impl Scale {
    /// Returns the scale up to a value. `unit` is 1 on the axis; `pixels` is the length of the axis.
    pub(super) fn new(largest: i128, unit: i128, pixels: i128) -> Self {
        let milli = (unit / 1000).max(1);
        let largest = largest.max(0) / milli + 1;
        let mut power = 1;
        let step = loop {
            let nice = [1, 2, 5].map(|digit| digit * power).into_iter().find(|step| step * STEPS >= largest);
            match nice {
                Some(step) => break step,
                None => power *= 10,
            }
        };
        Self { milli, step, steps: (largest + step - 1) / step, pixels }
    }

    /// Returns the length of a value on the axis.
    pub(super) fn length(&self, value: i128) -> i128 {
        let most = self.step * self.steps;
        (value.max(0) / self.milli).min(most).saturating_mul(self.pixels) / most
    }

    /// Returns the lines of the axis: their distance from 0, and their label.
    pub(super) fn ticks(&self) -> Vec<(i128, String)> {
        let digits =
            [(1000, 0), (100, 1), (10, 2)].into_iter().find(|(by, _)| self.step % by == 0).map_or(3, |found| found.1);
        let tick = |at| (at * self.pixels / self.steps, grouped(&decimal(at * self.step, 1000, digits)));
        (0..=self.steps).map(tick).collect()
    }
}

/// Shortens a text that would not fit. The whole text is in the title of its mark and in the table.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_above_the_largest_value_with_few_steps() {
        let check = |largest: i128, expected: &[&str]| {
            let scale = Scale::new(largest * 7, 7000, 1500);
            let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
            assert_eq!(labels, expected, "{largest} thousandths");
            assert!(scale.length(largest * 7) <= 1500 && scale.length(i128::MAX) == 1500 && scale.length(-1) == 0);
        };
        check(0, &["0.000", "0.001"]);
        check(999, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(4_999, &["0", "1", "2", "3", "4", "5"]);
        check(4_200_000, &["0", "1,000", "2,000", "3,000", "4,000", "5,000"]);
        check(41_330, &["0", "10", "20", "30", "40", "50"]);
        check(8_412_500, &["0", "2,000", "4,000", "6,000", "8,000", "10,000"]);
    }

    #[test]
    fn a_long_text_is_shortened() {
        assert_eq!(shortened("web of john", 11), "web of john");
        assert_eq!(shortened("größer", 4), "grö…");
    }
}
