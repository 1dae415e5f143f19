//! Bars with names: each has a line of text above it, so that long names fit on a narrow screen.

use super::svg::{Mark, Svg, WIDTH, shortened};

const ROW: i128 = 300;
const BAR: i128 = 110;
/// The longest name beside a value.
const NAME: usize = 30;

/// A bar.
pub(super) struct Bar {
    /// The name.
    pub(super) name: String,
    /// The value with its unit, as it is shown.
    pub(super) shown: String,
    /// The value as it is in the table.
    pub(super) value: String,
    /// The part of the whole width, and that whole.
    pub(super) part: (i128, i128),
    /// The class of its colour.
    pub(super) class: &'static str,
}

/// Returns the chart. `track` is drawn behind each bar where the whole width has a meaning.
pub(super) fn svg(id: &str, title: &str, about: &str, bars: &[Bar], track: bool) -> String {
    let mut svg = Svg::new(ROW * i128::try_from(bars.len()).unwrap_or(0));
    for (bar, at) in bars.iter().zip(0_i128..) {
        let (part, whole) = bar.part;
        let length = part.clamp(0, whole.max(0)).saturating_mul(WIDTH) / whole.max(1);
        let top = at * ROW;
        svg.text("s", (0, top + 110), &shortened(&bar.name, NAME));
        svg.text("e strong", (WIDTH, top + 110), &bar.shown);
        if track {
            svg.ground("track", (0, top + 150), (WIDTH, BAR));
        }
        svg.mark(&Mark {
            class: bar.class,
            at: (0, top + 150),
            size: (length.max(10), BAR),
            value: &bar.value,
            title: &format!("{}: {}", bar.name, bar.shown),
        });
    }
    svg.finish(id, title, about)
}
