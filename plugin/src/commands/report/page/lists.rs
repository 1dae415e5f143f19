//! The charts of names: clusters by cost, users by their quota, and schedules by their saving.

use cmp_core::resources::{CPU, MEMORY, ResourceName, STORAGE};
use cmp_core::usage::near::Nearness;
use cmp_core::usage::price::Money;
use cmp_core::usage::savings::{Offer, Pattern};
use cmp_core::usage::{Key, Report, Row, Uses, decimal, percent, unit};

use super::bars::{Bar, svg};
use super::html::{Cell, Figure, Table};
use super::words::{NO_QUOTA, count, grouped};
use crate::commands::report::sheet::{ReportParameters, capital};

/// The most bars of a chart.
const BARS: usize = 10;
/// The most rows of its table.
const ROWS: usize = 50;
/// The share of a quota from which a bar is marked, in percent.
const NEAR: i128 = 80;
/// 10^-9 units in a unit.
const NANO: i128 = 1_000_000_000;

/// The amount by which clusters and schedules are compared: money, or hours of cores if there are no prices.
pub(super) struct Worth<'a> {
    asked: &'a ReportParameters,
    cpu: Option<ResourceName>,
}

impl<'a> Worth<'a> {
    /// Compares by the prices of the report.
    pub(super) fn new(asked: &'a ReportParameters) -> Self {
        Self { asked, cpu: CPU.parse().ok() }
    }

    /// Reports whether the worth is money.
    pub(super) fn is_money(&self) -> bool {
        !self.asked.rates.is_empty()
    }

    /// Returns the worth as a number that compares.
    pub(super) fn of(&self, uses: &Uses) -> i128 {
        if self.is_money() {
            return self.asked.rates.cost(uses).map_or(i128::MAX, Money::nanos);
        }
        self.cpu.as_ref().map_or(0, |cpu| uses.get(cpu))
    }

    /// Returns the worth as a number with two digits.
    pub(super) fn number(&self, uses: &Uses) -> String {
        let money = self.asked.rates.cost(uses).filter(|_| self.is_money()).map(|money| money.decimal(2));
        let hours = || self.cpu.as_ref().map_or_else(|| "0".to_owned(), |cpu| uses.hours(cpu, 2));
        grouped(&money.unwrap_or_else(hours))
    }

    /// Returns the unit of the worth.
    pub(super) fn unit(&self) -> &str {
        match &self.asked.currency {
            Some(currency) if self.is_money() => currency,
            None if self.is_money() => "",
            _ => "CPU hours",
        }
    }

    /// Returns the worth with its unit.
    pub(super) fn shown(&self, uses: &Uses) -> String {
        format!("{} {}", self.number(uses), self.unit()).trim_end().to_owned()
    }
}

/// Returns the chart of the clusters, the largest first, or the reason why there is none.
pub(super) fn clusters(rows: &[Row], worth: &Worth<'_>) -> Result<Figure, String> {
    let whole: i128 = rows.iter().fold(0, |sum, row| sum.saturating_add(worth.of(&row.sums.used)));
    let used: Vec<&Row> = rows.iter().filter(|row| worth.of(&row.sums.used) > 0).collect();
    if used.is_empty() {
        let why = if worth.is_money() {
            "The use of this time costs nothing."
        } else {
            "No processors were used in this time."
        };
        return Err(why.to_owned());
    }
    let name = |row: &Row| match &row.key {
        Key::Cluster(cluster, user) => (cluster.to_string(), user.to_string()),
        Key::User(user) => (String::new(), user.to_string()),
        Key::Day(day) => (day.to_string(), String::new()),
    };
    let largest = used.first().map_or(0, |row| worth.of(&row.sums.used));
    let share = |row: &Row| percent(worth.of(&row.sums.used), whole);
    let bar = |row: &&Row| {
        let (cluster, user) = name(row);
        Bar {
            name: format!("{cluster} of {user}"),
            shown: format!("{}, {} %", worth.shown(&row.sums.used), share(row)),
            value: worth.number(&row.sums.used),
            part: (worth.of(&row.sums.used), largest),
            class: "u0",
        }
    };
    let bars: Vec<Bar> = used.iter().take(BARS).map(bar).collect();
    let title = if worth.is_money() { "Cost by cluster" } else { "Use by cluster" }.to_owned();
    let what = match worth.unit() {
        "" => "Cost".to_owned(),
        unit if worth.is_money() => format!("Cost in {unit}"),
        unit => unit.to_owned(),
    };
    let more = used.len().saturating_sub(BARS);
    let more = if more > 0 { format!(" {} more.", count(more, "cluster")) } else { String::new() };
    let about = format!("{what}, and the share of all; the largest first.{more}");
    let row = |row: &&Row| {
        let (cluster, user) = name(row);
        vec![cluster.into(), user.into(), worth.number(&row.sums.used).into(), share(row).into()]
    };
    let numbers = Table {
        name: title.clone(),
        heads: vec!["Cluster".to_owned(), "User".to_owned(), what, "Share %".to_owned()],
        names: 2,
        rows: used.iter().take(ROWS).map(row).collect(),
        total: None,
    };
    Ok(Figure { svg: svg("clusters", &title, &about, &bars, false), title, about, legend: Vec::new(), numbers })
}

/// Returns the name of a resource for people.
fn resource(name: &ResourceName) -> String {
    match name.as_str() {
        CPU => "CPU".to_owned(),
        STORAGE => "disks".to_owned(),
        other => other.to_owned(),
    }
}

/// Returns an amount in its unit.
fn amount(name: &ResourceName, nanos: i128) -> String {
    let gib = unit(name) == "GiB";
    let text = decimal(nanos, if gib { NANO << 30 } else { NANO }, 2);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{}", grouped(text), if gib { " GiB" } else { "" })
}

/// Returns the chart of the users near their quota, given the shares in order, or the reason why there is none.
pub(super) fn near(near: &[Nearness], when: &str) -> Result<Figure, String> {
    if near.is_empty() {
        return Err(NO_QUOTA.to_owned());
    }
    let mut users: Vec<&Nearness> = Vec::new();
    for one in near {
        if !users.iter().any(|other| other.owner == one.owner) {
            users.push(one);
        }
    }
    let share = |one: &Nearness| percent(one.charged, one.quota);
    let bar = |one: &&Nearness| {
        let class = match one.charged.saturating_mul(100) / one.quota.max(1) {
            100.. => "full",
            NEAR.. => "near",
            _ => "u0",
        };
        let of = format!("{} of {}", amount(&one.resource, one.charged), amount(&one.resource, one.quota));
        Bar {
            name: format!("{}, {}", one.owner, resource(&one.resource)),
            shown: format!("{} %, {of}", share(one)),
            value: share(one),
            part: (one.charged, one.quota),
            class,
        }
    };
    let bars: Vec<Bar> = users.iter().take(BARS).map(bar).collect();
    let close = users.iter().filter(|one| one.charged.saturating_mul(100) >= one.quota.saturating_mul(NEAR)).count();
    let about = format!(
        "The charge of each user as a share of the quota, for the resource that is nearest to it, at {when}. {} at {NEAR} % or more.",
        match close {
            0 => "No user is".to_owned(),
            1 => "1 user is".to_owned(),
            close => format!("{} are", count(close, "user")),
        }
    );
    let row = |one: &Nearness| -> Vec<Cell> {
        let Nearness { owner, resource: name, charged, quota } = one;
        vec![
            owner.into(),
            resource(name).into(),
            amount(name, *charged).into(),
            amount(name, *quota).into(),
            share(one).into(),
        ]
    };
    let title = "Near the quota".to_owned();
    let numbers = Table {
        name: title.clone(),
        heads: ["User", "Resource", "Charged", "Quota", "Share %"].map(str::to_owned).to_vec(),
        names: 2,
        rows: near.iter().take(ROWS).map(row).collect(),
        total: None,
    };
    Ok(Figure { svg: svg("near", &title, &about, &bars, true), title, about, legend: Vec::new(), numbers })
}

/// Returns the text of a schedule.
fn pattern(pattern: &Pattern) -> String {
    let Pattern { suspend, resume, zone } = pattern;
    format!("off {}, on {}, {zone}", suspend.join(" and "), resume.join(" and "))
}

/// Returns the chart of the saving by the schedules that others use, or the reason why there is none.
pub(super) fn offers(offers: &[Offer], report: &Report, worth: &Worth<'_>) -> Result<Figure, String> {
    let Some(first) = offers.first() else {
        return Err("No cluster has a schedule that suspends and resumes it.".to_owned());
    };
    let largest = offers.iter().map(|offer| worth.of(&offer.saved)).max().unwrap_or(0);
    if largest == 0 {
        return Err(
            "Nothing: no cluster without a schedule was on while a schedule of others would suspend it.".to_owned()
        );
    }
    let bar = |offer: &Offer| Bar {
        name: pattern(&offer.pattern),
        shown: worth.shown(&offer.saved),
        value: worth.number(&offer.saved),
        part: (worth.of(&offer.saved), largest),
        class: "off",
    };
    let bars: Vec<Bar> = offers.iter().take(5).map(bar).collect();
    let about = format!(
        "Saving if all clusters without a schedule had been switched off by one of these; the schedule of most clusters first. \
         That one is {}, kept by {}, and saves {} %.",
        pattern(&first.pattern),
        count(first.users, "cluster"),
        percent(worth.of(&first.saved), worth.of(&report.total.used)),
    );
    let memory: Option<ResourceName> = MEMORY.parse().ok();
    let hours = |uses: &Uses, name: &Option<ResourceName>| {
        name.as_ref().map_or_else(String::new, |name| grouped(&uses.hours(name, 2)))
    };
    let mut heads = ["Schedule", "Cluster", "User", "CPU hours", "GiB hours"].map(str::to_owned).to_vec();
    heads.extend(worth.is_money().then(|| capital(&format!("saved {}", worth.unit())).trim_end().to_owned()));
    let row = |first: String, cluster: &str, user: &str, uses: &Uses| -> Vec<Cell> {
        let mut row = vec![
            first.into(),
            cluster.into(),
            user.into(),
            hours(uses, &worth.cpu).into(),
            hours(uses, &memory).into(),
        ];
        row.extend(worth.is_money().then(|| worth.number(uses).into()));
        row
    };
    let mut rows = Vec::new();
    for offer in offers.iter().take(5) {
        rows.push(row(pattern(&offer.pattern), "all", "-", &offer.saved));
    }
    let mut each: Vec<_> = first.clusters.iter().collect();
    each.sort_by_key(|(_, _, uses)| std::cmp::Reverse(worth.of(uses)));
    for (cluster, user, uses) in each.into_iter().take(ROWS) {
        rows.push(row(pattern(&first.pattern), cluster.as_str(), user.as_str(), uses));
    }
    let title = "Saving by the schedules of others".to_owned();
    let numbers = Table { name: title.clone(), heads, names: 3, rows, total: None };
    Ok(Figure { svg: svg("offers", &title, &about, &bars, false), title, about, legend: Vec::new(), numbers })
}
