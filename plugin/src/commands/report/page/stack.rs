//! A chart over time, stacked by user, with the quota as a line.

use super::html::{Cell, Figure, Table};
use super::svg::{Mark, Scale, Svg, WIDTH};
use super::words;
use crate::commands::report::sheet::capital;

/// The number of users who have a colour of their own.
pub(super) const COLOURS: usize = 7;
/// A quota above so many times the use is not drawn: it would flatten the use.
const BEYOND: i128 = 3;
/// The most labels of the time axis.
const LABELS: usize = 6;
/// The width of the longest of them.
const LABEL: i128 = 420;
const LEFT: i128 = 430;
const RIGHT: i128 = 40;
const TOP: i128 = 170;
const PLOT: i128 = 1500;
const HEIGHT: i128 = TOP + PLOT + 190;

/// A slot of time.
pub(super) struct Slot {
    /// The name on the axis.
    pub(super) short: String,
    /// The name in sentences and in the table.
    pub(super) long: String,
    /// A key that sorts.
    pub(super) key: String,
    /// The parts that nobody watched, in thousandths of the slot.
    pub(super) gaps: Vec<(i128, i128)>,
}

/// The values of one user, in each slot.
pub(super) struct Layer {
    /// The name of the user.
    pub(super) name: String,
    /// The values.
    pub(super) sums: Vec<i128>,
}

/// A chart over time.
pub(super) struct Stack<'a> {
    /// The id of the chart in the page.
    pub(super) id: &'a str,
    /// The title.
    pub(super) title: String,
    /// The unit of the values: `CPU hours`.
    pub(super) unit: &'a str,
    /// The name of a slot: `day`.
    pub(super) slot: &'a str,
    /// The slots.
    pub(super) slots: &'a [Slot],
    /// The layers, the largest first.
    pub(super) layers: Vec<Layer>,
    /// The quota in each slot.
    pub(super) quota: Option<Vec<i128>>,
    /// The reason why there is no quota.
    pub(super) without: &'a str,
    /// The unit, in the unit of the values.
    pub(super) one: i128,
}

impl Stack<'_> {
    /// Returns the figure.
    pub(super) fn figure(mut self) -> Figure {
        self.gather();
        let Self { id, title, unit, slot, slots, layers, quota, without, one } = &self;
        let show = |value: i128| words::hours(value, *one);
        let totals: Vec<i128> =
            (0..slots.len()).map(|at| layers.iter().filter_map(|layer| layer.sums.get(at)).sum()).collect();
        let highest = totals.iter().copied().max().unwrap_or(0);
        let most = quota.iter().flatten().copied().max().unwrap_or(0);
        let drawn = most > 0 && most <= highest.saturating_mul(BEYOND);
        let scale = Scale::new(if drawn { highest.max(most) } else { highest }, *one, PLOT);
        let width = (WIDTH - LEFT - RIGHT) / i128::try_from(slots.len().max(1)).unwrap_or(1);
        let left = |at: usize| LEFT + width * i128::try_from(at).unwrap_or(0);
        let base = TOP + PLOT;
        let mut svg = Svg::new(HEIGHT);
        for (at, slot) in slots.iter().enumerate() {
            for (from, until) in &slot.gaps {
                let (from, until) = (width * from / 1000, width * until / 1000);
                svg.ground("gap", (left(at) + from, TOP), ((until - from).max(4), PLOT));
            }
        }
        for (height, label) in scale.ticks() {
            svg.line("grid", &[(LEFT, base - height), (WIDTH - RIGHT, base - height)]);
            svg.text("e", (LEFT - 50, base - height + 38), &label);
        }
        svg.text("s", (0, 90), unit);
        let space = (width / 6).min(30);
        for (at, slot) in slots.iter().enumerate() {
            let mut below = 0;
            for (number, layer) in layers.iter().enumerate() {
                let value = layer.sums.get(at).copied().unwrap_or(0);
                let (bottom, top) = (scale.length(below), scale.length(below + value));
                below += value;
                if top > bottom {
                    let value = show(value);
                    svg.mark(&Mark {
                        class: &colour(number),
                        at: (left(at) + space, base - top),
                        size: ((width - 2 * space).max(1), top - bottom),
                        title: &format!("{}, {}: {value} {unit}", slot.long, layer.name),
                        value: &value,
                    });
                }
            }
        }
        if drawn {
            let steps = quota.iter().flatten().enumerate().flat_map(|(at, value)| {
                let y = base - scale.length(*value);
                [(left(at), y), (left(at + 1), y)]
            });
            svg.line("quota", &steps.collect::<Vec<_>>());
        }
        let every = slots.len().div_ceil(LABELS).max(1);
        let fits = |at: usize| left(at) + width / 2 <= WIDTH - RIGHT - LABEL / 2;
        for (at, slot) in slots.iter().enumerate().step_by(every).filter(|(at, _)| fits(*at)) {
            svg.text("m", (left(at) + width / 2, base + 120), &slot.short);
        }
        let whole: i128 = totals.iter().sum();
        let mut about = format!("{unit} of each {slot}, stacked by user, {} in all.", show(whole));
        match (most > 0, drawn) {
            (true, true) => about.push_str(" The line is the sum of the quotas."),
            (true, false) => about
                .push_str(&format!(" The sum of the quotas is above the chart: up to {} {unit} a {slot}.", show(most))),
            (false, _) => about.push_str(&format!(" {without}")),
        }
        if slots.iter().any(|slot| !slot.gaps.is_empty()) {
            about.push_str(" Nobody watched in the grey times.");
        }
        let peak = totals.iter().zip(slots.iter()).max_by_key(|(total, _)| **total);
        let peak =
            peak.map_or_else(String::new, |(total, slot)| format!(" The most is {} in {}.", show(*total), slot.long));
        let description = format!("A bar for each {slot}. {about}{peak}");
        let legend = layers
            .iter()
            .enumerate()
            .map(|(number, layer)| (colour(number), layer.name.clone(), show(layer.sums.iter().sum())));
        let mut legend: Vec<_> = legend.collect();
        if drawn {
            legend.push(("line".to_owned(), "quota".to_owned(), String::new()));
        }
        let numbers = self.table(&totals);
        Figure { svg: svg.finish(id, title, &description), title: title.clone(), about, legend, numbers }
    }

    /// Adds up the users without a colour of their own.
    fn gather(&mut self) {
        if self.layers.len() <= COLOURS + 1 {
            return;
        }
        let others = self.layers.split_off(COLOURS);
        let sum = |at| others.iter().filter_map(|layer: &Layer| layer.sums.get(at)).sum();
        let sums = (0..self.slots.len()).map(sum).collect();
        self.layers.push(Layer { name: words::count(others.len(), "other"), sums });
    }

    fn table(&self, totals: &[i128]) -> Table {
        let Self { title, unit, slot, slots, layers, quota, one, .. } = self;
        let show = |value: i128| Cell::from(words::hours(value, *one));
        let name = |layer: &Layer| layer.name.clone();
        let mut heads: Vec<String> = [capital(slot)].into_iter().chain(layers.iter().map(name)).collect();
        heads.push("All".to_owned());
        heads.extend(quota.iter().map(|_| "Quota".to_owned()));
        let row = |at: usize, first: Cell| {
            let mut row = vec![first];
            row.extend(layers.iter().map(|layer| show(layer.sums.get(at).copied().unwrap_or(0))));
            row.push(show(totals.get(at).copied().unwrap_or(0)));
            row.extend(quota.iter().map(|quota| show(quota.get(at).copied().unwrap_or(0))));
            row
        };
        let rows = slots.iter().enumerate().map(|(at, slot)| row(at, Cell::keyed(&slot.long, slot.key.clone())));
        let mut total = vec![Cell::from("Total")];
        total.extend(layers.iter().map(|layer| show(layer.sums.iter().sum())));
        total.push(show(totals.iter().sum()));
        total.extend(quota.iter().map(|quota| show(quota.iter().sum())));
        Table { name: format!("{title}: {unit}"), heads, names: 1, rows: rows.collect(), total: Some(total) }
    }
}

fn colour(number: usize) -> String {
    format!("u{}", number.min(COLOURS))
}
