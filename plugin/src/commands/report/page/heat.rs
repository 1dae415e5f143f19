//! The hours of the week, which show what runs at night.

use cmp_core::usage::overview::{Cell as Hour, Hours};
use cmp_core::usage::slots::length;
use cmp_core::usage::{Watched, decimal};

use super::html::{Cell, Figure, Table};
use super::svg::{Mark, Svg};
use super::words::grouped;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The hours of the night.
const NIGHT: [usize; 8] = [22, 23, 0, 1, 2, 3, 4, 5];
/// The number of shades above 0.
const SHADES: i128 = 5;
const LEFT: i128 = 360;
const TOP: i128 = 110;
const CELL: (i128, i128) = (135, 190);
const HEIGHT: i128 = TOP + 7 * CELL.1 + 40;
/// 10^-9 cores in a core.
const CORE: i128 = 1_000_000_000;
/// A week in milliseconds.
const LEAST: i128 = 7 * 24 * 3_600_000;

/// Returns the average, in 10^-9 cores. An hour that nobody watched has none.
fn average(hour: &Hour) -> Option<i128> {
    (hour.watched > 0).then(|| hour.sum / hour.watched)
}

/// Returns the average of several hours.
fn together<'a>(hours: impl Iterator<Item = &'a Hour>) -> i128 {
    let (sum, watched) = hours.fold((0_i128, 0), |(sum, watched), hour| (sum + hour.sum, watched + hour.watched));
    sum / watched.max(1)
}

fn cores(nanos: i128) -> String {
    grouped(&decimal(nanos, CORE, 2))
}

/// Returns the shade of an average: 0 is nothing, and the largest average has the last shade.
fn shade(average: i128, largest: i128) -> i128 {
    if average <= 0 { 0 } else { (average.saturating_mul(SHADES) - 1) / largest.max(1) + 1 }.min(SHADES)
}

/// Returns the figure, or the reason why there is none.
pub(super) fn figure(hours: &Hours, shown: &Watched) -> Result<Figure, String> {
    let time = length(shown);
    if time < LEAST {
        let days = decimal(time, 24 * 3_600_000, 1);
        return Err(format!(
            "The hours of a week are shown from one week on, and {days} days of this period are known."
        ));
    }
    let largest = hours.iter().flatten().filter_map(average).max().unwrap_or(0);
    if largest == 0 {
        return Err("No processors were used in this time.".to_owned());
    }
    let mut svg = Svg::new(HEIGHT);
    for hour in [0_usize, 6, 12, 18] {
        let x = LEFT + CELL.0 * i128::try_from(hour).unwrap_or(0);
        svg.text("s", (x, TOP - 40), &format!("{hour:02}:00"));
    }
    let mut rows = Vec::new();
    for ((day, name), y) in hours.iter().zip(DAYS).zip(0_i128..) {
        let top = TOP + y * CELL.1;
        svg.text("s", (0, top + 130), name.get(..3).unwrap_or(name));
        let mut row = vec![Cell::keyed(name, y.to_string())];
        for (hour, x) in day.iter().zip(0_i128..) {
            let at = (LEFT + x * CELL.0 + 5, top + 5);
            let size = (CELL.0 - 10, CELL.1 - 10);
            match average(hour) {
                Some(average) => {
                    let value = cores(average);
                    let title = format!("{name} {x:02}:00 to {:02}:00: {value} cores", x + 1);
                    let class = format!("h{}", shade(average, largest));
                    svg.mark(&Mark { class: &class, at, size, value: &value, title: &title });
                    row.push(value.into());
                }
                None => {
                    svg.ground("gap", at, size);
                    row.push("-".into());
                }
            }
        }
        rows.push(row);
    }
    let is_night = |(hour, _): &(usize, &Hour)| NIGHT.contains(hour);
    let each = || hours.iter().flat_map(|day| day.iter().enumerate());
    let night = together(each().filter(is_night).map(|(_, hour)| hour));
    let day = together(each().filter(|hour| !is_night(hour)).map(|(_, hour)| hour));
    let about = format!(
        "Cores in use on average, by hour and weekday. From 22:00 to 06:00 it is {}, in the other hours {}.",
        cores(night),
        cores(day)
    );
    let shades = (1..=SHADES)
        .map(|shade| (format!("h{shade}"), format!("to {}", cores(largest * shade / SHADES)), String::new()));
    let legend = [("h0".to_owned(), "0".to_owned(), String::new())].into_iter().chain(shades).collect();
    let heads = ["Weekday".to_owned()].into_iter().chain((0..24).map(|hour| format!("{hour:02}"))).collect();
    let title = "Hours of the week".to_owned();
    let numbers = Table { name: "Cores in use by hour and weekday".to_owned(), heads, names: 1, rows, total: None };
    Ok(Figure { svg: svg.finish("hours", &title, &about), title, about, legend, numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_average_has_the_darkest_shade() {
        let shades: Vec<i128> = [0, 1, 20, 21, 40, 99, 100].into_iter().map(|average| shade(average, 100)).collect();
        assert_eq!(shades, [0, 1, 1, 2, 2, 5, 5]);
    }
}
