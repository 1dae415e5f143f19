//! The suspended share of each week.

use jiff::tz::TimeZone;

use cmp_core::usage::overview::Week;
use cmp_core::usage::slots::{Unit, length};
use cmp_core::usage::{decimal, percent};

use super::html::{Cell, Figure, Table};
use super::svg::{Mark, Svg, WIDTH};
use super::words::{self, grouped};

/// The most weeks that are shown.
const MOST: usize = 62;
/// The most weeks whose shares stand above their bars.
const LABELLED: usize = 9;
const LEFT: i128 = 430;
const RIGHT: i128 = 40;
const TOP: i128 = 200;
const PLOT: i128 = 1000;
const HEIGHT: i128 = TOP + PLOT + 190;
/// Milliseconds of an hour.
const HOUR: i128 = 3_600_000;
/// Two weeks, the least that can be compared.
const LEAST: i128 = 14 * 24 * HOUR;

/// Returns the figure, or the reason why there is none.
pub(super) fn figure(weeks: &[Week], zone: &TimeZone) -> Result<Figure, String> {
    let time: i128 = weeks.iter().map(|week| length(&week.times)).sum();
    if time < LEAST {
        let days = decimal(time, 24 * HOUR, 1);
        return Err(format!("Weeks are compared from two weeks on, and {days} days of this period are known."));
    }
    let weeks = weeks.get(weeks.len().saturating_sub(MOST)..).unwrap_or_default();
    let width = (WIDTH - LEFT - RIGHT) / i128::try_from(weeks.len().max(1)).unwrap_or(1);
    let base = TOP + PLOT;
    let mut svg = Svg::new(HEIGHT);
    for (height, label) in [(0, "0"), (PLOT / 2, "50"), (PLOT, "100")] {
        svg.line("grid", &[(LEFT, base - height), (WIDTH - RIGHT, base - height)]);
        svg.text("e", (LEFT - 50, base - height + 38), label);
    }
    svg.text("s", (0, 90), "percent");
    let mut rows = Vec::new();
    let every = weeks.len().div_ceil(6).max(1);
    for (at, week) in weeks.iter().enumerate() {
        let left = LEFT + width * i128::try_from(at).unwrap_or(0);
        let space = (width / 5).min(120);
        let name = words::day(week.times.from, zone);
        let share = percent(week.off, week.existed);
        let height = week.off.saturating_mul(PLOT) / week.existed.max(1);
        if height > 0 {
            svg.mark(&Mark {
                class: "off",
                at: (left + space, base - height),
                size: ((width - 2 * space).max(1), height),
                value: &share,
                title: &format!("Week from {name}: {share} %"),
            });
        }
        if weeks.len() <= LABELLED && week.existed > 0 {
            svg.text("m strong", (left + width / 2, base - height - 40), &format!("{share} %"));
        }
        if at.is_multiple_of(every) {
            svg.text("m", (left + width / 2, base + 120), &words::short(week.times.from, Unit::Week, zone));
        }
        let hours = |milliseconds| Cell::from(grouped(&decimal(milliseconds, HOUR, 2)));
        let first = Cell::keyed(name, words::key(week.times.from));
        rows.push(vec![first, share.into(), hours(week.off), hours(week.existed)]);
    }
    let (off, existed) = weeks.iter().fold((0, 0), |(off, existed), week| (off + week.off, existed + week.existed));
    let about = format!(
        "Percent of the time of instances in which they were suspended or stopped, by week from Monday; {} % in all.",
        percent(off, existed)
    );
    let title = "Suspended share".to_owned();
    let heads = ["Week from", "Suspended %", "Hours suspended or stopped", "Hours in all"].map(str::to_owned).to_vec();
    let numbers = Table { name: "Suspended share by week".to_owned(), heads, names: 1, rows, total: None };
    Ok(Figure { svg: svg.finish("weeks", &title, &about), title, about, legend: Vec::new(), numbers })
}
