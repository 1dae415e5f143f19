//! A report in rows and columns: a table, and CSV for spreadsheets.
//!
//! The headers of CSV contain the units, so that its cells are plain numbers.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::{CPU, MEMORY, ResourceName, STORAGE, is_kept};
use cmp_core::usage::price::{Money, Prices};
use cmp_core::usage::rates::{Rates, Tariff};
use cmp_core::usage::{By, GIB, Key, Report, Row, Sums, Uses, Watched, percent, unit};

use crate::escape;

/// Number of gaps in observation that are listed.
const GAPS: usize = 5;

/// The rules of the count, which every reader of a report sees.
pub(super) const COUNTED: &str = "An instance holds what it asks for while it is on, pending or failed, or paused; its disk as \
                                  long as it exists. Saved is the amount that it would have held if it had been on.";

/// The parameters of a report.
#[derive(Debug, Clone)]
pub(super) struct ReportParameters {
    pub(super) owner: Option<UserName>,
    pub(super) of: Option<ClusterName>,
    pub(super) by: By,
    pub(super) zone: TimeZone,
    pub(super) rates: Rates,
    pub(super) currency: Option<String>,
}

impl ReportParameters {
    /// Formats a point in time in the time zone of the report.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Returns the grouping of the rows.
    pub(super) fn by(&self) -> &'static str {
        match self.by {
            By::User => "user",
            By::Cluster => "cluster",
            By::Day => "day",
        }
    }

    /// Returns the name of the time zone.
    pub(super) fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// A report in rows and columns.
pub(super) struct Sheet {
    /// Title of the report, and the gaps in its observation.
    pub(super) about: Vec<String>,
    /// Headers of the columns of a table.
    heads: Vec<String>,
    /// Headers of the columns of CSV.
    csv_heads: Vec<String>,
    /// Headers of the columns of a page.
    page_heads: Vec<String>,
    lines: Vec<Line>,
}

/// A row before rounding.
struct Line {
    names: Vec<String>,
    sums: Sums,
    watched: Option<(i128, i128)>,
    money: Option<[Money; 2]>,
    used: Vec<ResourceName>,
    saved: Vec<ResourceName>,
}

impl Sheet {
    /// Builds the sheet of a report. Returns `None` if its cost is too large to count.
    pub(super) fn of(report: &Report, asked: &ReportParameters) -> Option<Self> {
        let used = report.resources();
        // A disk is held whether its instance is on or off.
        let saved: Vec<ResourceName> = used.iter().filter(|name| !is_kept(name)).cloned().collect();
        let names: &[&str] = match asked.by {
            By::User => &["user"],
            By::Cluster => &["cluster", "user"],
            By::Day => &["day"],
        };
        let line = |names: Vec<String>, sums: &Sums, watched| {
            let money = |uses: &Uses| asked.rates.cost(uses);
            let money = if asked.rates.is_empty() { None } else { Some([money(&sums.used)?, money(&sums.saved)?]) };
            Some(Line { names, sums: sums.clone(), watched, money, used: used.clone(), saved: saved.clone() })
        };
        let named = |Row { key, sums, watched }: &Row| {
            let names = match key {
                Key::User(user) => vec![user.to_string()],
                Key::Cluster(cluster, user) => vec![cluster.to_string(), user.to_string()],
                Key::Day(day) => vec![day.to_string()],
            };
            line(names, sums, *watched)
        };
        let mut lines: Vec<Line> = report.rows.iter().map(named).collect::<Option<_>>()?;
        // A name has no capitals, so that no name is TOTAL.
        let mut total = vec!["TOTAL".to_owned()];
        total.resize(names.len(), "-".to_owned());
        let watched = (asked.by == By::Day).then(|| (report.range.milliseconds(), report.watched()));
        lines.push(line(total, &report.total, watched)?);
        let heads = [Style::Table, Style::Csv, Style::Page].map(|style| style.heads(names, &used, &saved, asked));
        let [heads, csv_heads, page_heads] = heads;
        Some(Self { about: about(report, asked), heads, csv_heads, page_heads, lines })
    }

    /// Returns the headers, the rows and the total of a table, rounded to a number of digits.
    pub(super) fn rows(&self, digits: u32) -> Vec<Vec<String>> {
        let lines = self.lines.iter().map(|line| line.cells(digits, "%"));
        [self.heads.clone()].into_iter().chain(lines).collect()
    }

    /// Returns the headers, the rows and the total of a page.
    pub(super) fn page_rows(&self) -> Vec<Vec<String>> {
        let lines = self.lines.iter().map(|line| line.cells(2, "%"));
        [self.page_heads.clone()].into_iter().chain(lines).collect()
    }

    /// Returns the headers, the rows and the total of CSV, in plain numbers.
    pub(super) fn csv_rows(&self) -> Vec<Vec<String>> {
        let lines = self.lines.iter().map(|line| line.cells(6, ""));
        [self.csv_heads.clone()].into_iter().chain(lines).collect()
    }
}

/// The style of the headers of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// In capitals, as in every table.
    Table,
    /// With the unit of each column.
    Csv,
    /// In words.
    Page,
}

impl Style {
    /// Returns the headers of the columns.
    fn heads(
        self,
        names: &[&str],
        used: &[ResourceName],
        saved: &[ResourceName],
        asked: &ReportParameters,
    ) -> Vec<String> {
        let one = |word: &str| self.joined(&[word], None);
        let share = |word: &str| if self == Self::Csv { self.joined(&[word, "percent"], None) } else { one(word) };
        let mut heads: Vec<String> = names.iter().map(|name| one(name)).collect();
        heads.push(one("instances"));
        heads.extend(used.iter().map(|name| self.joined(&[&self.resource(name), "hours"], None)));
        heads.push(share("suspended"));
        heads.extend(saved.iter().map(|name| self.joined(&["saved", &self.resource(name), "hours"], None)));
        if !asked.rates.is_empty() {
            heads.extend(["cost", "saved"].map(|word| self.joined(&[word], asked.currency.as_deref())));
        }
        if asked.by == By::Day {
            heads.push(share("watched"));
        }
        heads
    }

    /// Joins words to a header. A currency keeps its spelling.
    fn joined(self, words: &[&str], currency: Option<&str>) -> String {
        let (between, words) = match self {
            Self::Table => ("-", words.join("-").to_uppercase()),
            Self::Csv => ("_", words.join("_")),
            Self::Page => (" ", capital(&words.join(" "))),
        };
        currency.map_or_else(|| words.clone(), |currency| format!("{words}{between}{currency}"))
    }

    /// Returns the name of a resource whose hours are in a column.
    fn resource(self, name: &ResourceName) -> String {
        let gib = unit(name) == GIB;
        match (self, name.as_str()) {
            (Self::Csv, name) if gib => format!("{name}_gib"),
            (Self::Csv, name) => name.to_owned(),
            (Self::Page, CPU) => "CPU".to_owned(),
            (_, MEMORY) => GIB.to_owned(),
            (Self::Table, STORAGE) => format!("disk-{GIB}"),
            (Self::Page, STORAGE) => format!("disk {GIB}"),
            (Self::Table, name) if gib => format!("{name}-{GIB}"),
            (Self::Page, name) if gib => format!("{name} {GIB}"),
            (_, name) => name.to_owned(),
        }
    }
}

/// Returns a word with a capital.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Line {
    /// Returns the cells, with numbers rounded to a number of digits. `unit` follows each percentage.
    fn cells(&self, digits: u32, unit: &str) -> Vec<String> {
        let Self { names, sums, watched, money, used, saved } = self;
        let mut cells = names.clone();
        cells.push(sums.instances().to_string());
        cells.extend(used.iter().map(|name| sums.used.hours(name, digits)));
        cells.push(format!("{}{unit}", sums.suspended_share()));
        cells.extend(saved.iter().map(|name| sums.saved.hours(name, digits)));
        cells.extend(money.iter().flatten().map(|money| money.decimal(digits)));
        cells.extend(watched.iter().map(|(of, seen)| format!("{}{unit}", percent(*seen, *of))));
        cells
    }
}

fn about(report: &Report, asked: &ReportParameters) -> Vec<String> {
    let (from, until) = (asked.moment(report.range.from), asked.moment(report.range.until));
    let days = if asked.by == By::Day { format!(" of {}", asked.zone()) } else { String::new() };
    let of = asked.owner.as_ref().map_or_else(String::new, |owner| format!(" of {owner}"));
    let within = asked.of.as_ref().map_or_else(String::new, |cluster| format!(" in {cluster}"));
    let mut about = vec![format!("Use{of}{within} from {from} to {until}, by {}{days}", asked.by())];
    about.extend(prices(asked, report.range.from));
    if report.gaps.is_empty() {
        about.push("All of this time was watched".to_owned());
        return about;
    }
    let share = percent(report.watched(), report.range.milliseconds());
    about.push(format!(
        "Only {share} % of this time was watched. Gaps count only if the state was unchanged across the gap:"
    ));
    let (gaps, more) = gaps(report);
    about.extend(gaps.iter().map(|gap| format!("  {} to {}", asked.moment(gap.from), asked.moment(gap.until))));
    if more > 0 {
        about.push(format!("  and {more} more times"));
    }
    about
}

/// Returns a line about the prices of each period of a report that begins at a moment.
pub(super) fn prices(asked: &ReportParameters, begin: Timestamp) -> Vec<String> {
    let line = |(from, tariff): (Timestamp, &Tariff)| {
        let since = if from > begin { format!(" from {} on", asked.moment(from)) } else { String::new() };
        format!("Prices by the hour{since}: {}", tariff_words(tariff, asked.currency.as_deref()))
    };
    asked.rates.periods().map(line).collect()
}

fn tariff_words(Tariff { containers, vms, off }: &Tariff, currency: Option<&str>) -> String {
    let currency = currency.map_or_else(String::new, |currency| format!(" {currency}"));
    let list = |prices: &Prices| {
        let one = |(name, price): (&ResourceName, _)| match unit(name) {
            unit if unit == name.as_str() => format!("{name} {price}{currency}"),
            unit => format!("{name} {price}{currency} a {unit}"),
        };
        prices.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let titled = |title: &str, prices: &Prices| match prices.is_empty() {
        true => None,
        false if title.is_empty() => Some(list(prices)),
        false => Some(format!("{title}: {}", list(prices))),
    };
    let types = if containers == vms {
        [titled("", containers), None]
    } else {
        [titled("containers", containers), titled("VMs", vms)]
    };
    let parts: Vec<String> = types.into_iter().chain([titled("while off", off)]).flatten().collect();
    parts.join("; ")
}

/// Returns the gaps that are listed, and the number of the others.
pub(super) fn gaps(report: &Report) -> (&[Watched], usize) {
    let listed = report.gaps.get(..GAPS).unwrap_or(&report.gaps);
    (listed, report.gaps.len() - listed.len())
}

/// Formats rows as CSV (RFC 4180). Every cell stays on one line. A cell that a spreadsheet would take for a formula is
/// marked as text, although no name begins that way.
pub(super) fn csv(rows: &[Vec<String>]) -> String {
    let cell = |cell: &String| {
        let cell = escape::line(cell);
        let guard = if cell.starts_with(['=', '+', '-', '@']) && cell != "-" { "'" } else { "" };
        if guard.is_empty() && !cell.contains(['"', ',']) {
            return cell.into_owned();
        }
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_csv_contain_the_units() {
        let name = |text: &str| text.parse::<ResourceName>().unwrap();
        let (used, saved) = (["cpu", "memory", "nvidia.com/gpu", "storage"].map(name), ["cpu", "memory"].map(name));
        let mut asked = ReportParameters {
            owner: None,
            of: None,
            by: By::Cluster,
            zone: TimeZone::UTC,
            rates: Rates::default(),
            currency: Some("EUR".to_owned()),
        };
        let heads_of =
            |style: Style, asked: &ReportParameters| style.heads(&["cluster", "user"], &used, &saved, asked).join(",");
        let heads = |asked: &ReportParameters| heads_of(Style::Csv, asked);
        let hours = "cluster,user,instances,cpu_hours,memory_gib_hours,nvidia.com/gpu_hours,storage_gib_hours,\
                     suspended_percent,saved_cpu_hours,saved_memory_gib_hours";
        assert_eq!(heads(&asked), hours);
        asked.by = By::Day;
        asked.rates = Rates::flat([(name("cpu"), "0.03".parse().unwrap())].into());
        assert_eq!(heads(&asked), format!("{hours},cost_EUR,saved_EUR,watched_percent"));
        let page = "Cluster,User,Instances,CPU hours,GiB hours,Nvidia.com/gpu hours,Disk GiB hours,Suspended,Saved CPU hours,\
                    Saved GiB hours,Cost EUR,Saved EUR,Watched";
        assert_eq!(heads_of(Style::Page, &asked), page);
        let table = "CLUSTER,USER,INSTANCES,CPU-HOURS,GIB-HOURS,NVIDIA.COM/GPU-HOURS,DISK-GIB-HOURS,SUSPENDED,SAVED-CPU-HOURS,\
                     SAVED-GIB-HOURS,COST-EUR,SAVED-EUR,WATCHED";
        assert_eq!(heads_of(Style::Table, &asked), table);
    }

    #[test]
    fn the_prices_of_each_period_are_named() {
        let prices = |rows: &[(&str, &str)]| -> Prices {
            rows.iter().map(|(name, price)| (name.parse().unwrap(), price.parse().unwrap())).collect()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let range =
            cmp_core::usage::range::Range { from: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
        let lines = |rates: Rates| {
            let asked = ReportParameters {
                owner: None,
                of: None,
                by: By::User,
                zone: TimeZone::UTC,
                rates,
                currency: Some("EUR".to_owned()),
            };
            super::prices(&asked, range.from)
        };
        assert_eq!(lines(Rates::default()), [""; 0]);
        let flat = Rates::flat(prices(&[("cpu", "0.03"), ("a.b/gpu", "1")]));
        assert_eq!(lines(flat), ["Prices by the hour: a.b/gpu 1 EUR, cpu 0.03 EUR a core"]);
        let both = Tariff::flat(prices(&[("cpu", "0.03")]));
        let off = prices(&[("storage", "0.1")]);
        let differs = Tariff { vms: prices(&[("cpu", "0.04")]), off, ..both.clone() };
        let starts = [(at("2026-10-01T00:00:00Z"), both), (at("2026-11-15T12:00:00Z"), differs)];
        assert_eq!(
            lines(Rates::within(range, starts.into())),
            [
                "Prices by the hour: cpu 0.03 EUR a core",
                "Prices by the hour from 2026-11-15T12:00:00+00:00 on: containers: cpu 0.03 EUR a core; VMs: cpu 0.04 EUR a core; \
                 while off: storage 0.1 EUR a GiB",
            ]
        );
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_are_never_formulas() {
        let check = |cell: &str, expected: &str| {
            assert_eq!(csv(&[vec![cell.to_owned(), "1".to_owned()]]), format!("{expected},1\r\n"));
        };
        check("web", "web");
        check("", "");
        check("-", "-");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("a\nb\x1b", "a\\nb^[");
        check("\tx", "\\tx");
        for formula in ["=1+1", "+1", "-1", "@x"] {
            check(formula, &format!("\"'{formula}\""));
        }
        check("=\"a\"", "\"'=\"\"a\"\"\"");
    }
}
