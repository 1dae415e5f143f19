//! A report as one HTML page. It needs no other file, no network and no script: the script in it sorts tables, and shows the
//! numbers under the pointer.

use jiff::Timestamp;
use ring::digest;

use cmp_client::connect::base64;
use cmp_core::name::UserName;
use cmp_core::resources::{CPU, MEMORY, ResourceName};
use cmp_core::usage::near::Nearness;
use cmp_core::usage::overview::{Overview, Series, Use};
use cmp_core::usage::savings::Offer;
use cmp_core::usage::slots::length;
use cmp_core::usage::{By, Report, Uses, Watched, decimal, percent, unit_hour};

use crate::commands::report::sheet::{COUNTED, ReportParameters, gaps, prices};
use html::{Figure, escaped, missing};
use lists::Worth;
use stack::{Layer, Slot, Stack};

mod bars;
mod heat;
mod html;
mod lists;
mod stack;
mod svg;
mod tables;
mod weeks;
mod words;

pub(super) use words::USERS_QUOTA;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// The content of a page.
pub(super) struct Page<'a> {
    /// The parameters of the report.
    pub(super) asked: &'a ReportParameters,
    /// The report by user.
    pub(super) users: Report,
    /// The report by cluster.
    pub(super) clusters: Report,
    /// The report by day.
    pub(super) days: Report,
    /// The series, if anything was watched.
    pub(super) overview: Option<Overview>,
    /// The charges and quotas at the end of the range, or the reason why there are none.
    pub(super) near: Result<(Timestamp, Vec<Nearness>), String>,
    /// The saving by the schedules that are in use, or the reason why it is not known.
    pub(super) offers: Result<Vec<Offer>, String>,
}

/// Returns the HTML of the page. Returns `None` if its cost is too large to count.
pub(super) fn of(mut page: Page<'_>) -> Option<String> {
    let worth = Worth::new(page.asked);
    tables::by_worth(&mut page.users, &worth);
    tables::by_worth(&mut page.clusters, &worth);
    let sentence = escaped(&sentence(&page, &worth));
    let about = about(&page);
    let charts = charts(&page, &worth).concat();
    let table = |report, by, title| tables::section(report, page.asked, by, title);
    let tables = [
        table(&page.users, By::User, "Users")?,
        table(&page.clusters, By::Cluster, "Clusters")?,
        table(&page.days, By::Day, "Days")?,
    ]
    .concat();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    Some(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Use of the cluster, {}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>Use of the cluster</h1>\n<p class=\"lead\">{sentence}</p>\n\
         {about}</header>\n<div class=\"charts\">\n{charts}</div>\n{tables}</main>\n<footer>\n<p>{}</p>\n</footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        escaped(&words::period(page.users.range, &page.asked.zone).1),
        escaped(COUNTED),
    ))
}

/// Returns the hash by which the policy of the page allows an element. A browser hashes the text as it is in the file.
fn hash(text: &str) -> String {
    base64(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Returns the sentence at the top of the page.
fn sentence(page: &Page<'_>, worth: &Worth<'_>) -> String {
    let Page { asked, users, .. } = page;
    let (preposition, when) = words::period(users.range, &asked.zone);
    let total = &users.total;
    let cpu = CPU.parse::<ResourceName>().ok();
    let of = |uses: &Uses| cpu.as_ref().map_or(0, |cpu| uses.get(cpu));
    let (used, saved) = (of(&total.used), of(&total.saved));
    let people = users.rows.iter().filter(|row| of(&row.sums.used) > 0).count();
    let who = match (&asked.of, &asked.owner) {
        (Some(cluster), _) => format!("cluster {cluster}"),
        (None, Some(owner)) => owner.to_string(),
        (None, None) if people == 1 => "1 person".to_owned(),
        (None, None) => words::count(people, "user").replace("users", "people"),
    };
    if total.existed() == 0 {
        return format!("{preposition} {when}, the mirror recorded no instance.");
    }
    let whole_hours = |sum: i128| {
        let digits = if sum < 10 * one_of(CPU) { 2 } else { 0 };
        words::grouped(&decimal(sum, one_of(CPU), digits))
    };
    let cost = if worth.is_money() { format!(" for {}", worth.shown(&total.used)) } else { String::new() };
    let mut text = format!("{preposition} {when}, {who} used {} CPU hours{cost}", whole_hours(used));
    if saved == 0 {
        text.push_str("; suspending saved nothing.");
        return text;
    }
    let amount = if worth.is_money() { worth.shown(&total.saved) } else { format!("{} CPU hours", whole_hours(saved)) };
    text.push_str(&format!("; suspending saved {} %, {amount}.", decimal(saved * 100, used + saved, 0)));
    text
}

fn one_of(resource: &str) -> i128 {
    resource.parse::<ResourceName>().map_or(1, |name| unit_hour(&name))
}

/// Returns the lines below the sentence: the zone, the prices, and the time that nobody watched.
fn about(page: &Page<'_>) -> String {
    let Page { asked, users, .. } = page;
    let zone = &asked.zone;
    let mut lines = vec![format!("Times are those of {}.", asked.zone())];
    lines.extend(prices(asked, users.range.from));
    if users.gaps.is_empty() {
        lines.push("All of this time was watched.".to_owned());
    } else {
        let share = percent(users.watched(), users.range.milliseconds());
        let (shown, more) = gaps(users);
        let times =
            shown.iter().map(|gap| format!("{} to {}", words::moment(gap.from, zone), words::moment(gap.until, zone)));
        let times = times.collect::<Vec<_>>().join("; ");
        let more = if more > 0 { format!("; and {}", words::count(more, "more time")) } else { String::new() };
        lines.push(format!(
            "Only {share} % of this time was watched. Gaps count only if the state was unchanged across the gap: {times}{more}."
        ));
    }
    lines.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect::<Vec<_>>().concat()
}

/// Returns the charts in their order, each as a figure or as the reason why there is none.
fn charts(page: &Page<'_>, worth: &Worth<'_>) -> Vec<String> {
    let Page { asked, clusters, overview, near, offers, .. } = page;
    let shown = |title: &str, figure: Result<Figure, String>| match figure {
        Ok(figure) => figure.html(),
        Err(why) => missing(title, &why),
    };
    let mut charts = Vec::new();
    match overview {
        Some(overview) => {
            charts.extend(over_time(overview, asked));
            charts.push(shown("Suspended share", weeks::figure(&overview.weeks, &asked.zone)));
        }
        None => charts.push(missing("Use over time", "Nothing of this time was watched.")),
    }
    let title = if worth.is_money() { "Cost by cluster" } else { "Use by cluster" };
    charts.push(shown(title, lists::clusters(&clusters.rows, worth)));
    if let Some(overview) = overview {
        let times = Watched { from: overview.shown.from, until: overview.shown.until };
        charts.push(shown("Hours of the week", heat::figure(&overview.hours, &times)));
    }
    let offers = offers.as_ref().map_err(Clone::clone);
    charts.push(shown(
        "Saving by the schedules of others",
        offers.and_then(|offers| lists::offers(offers, clusters, worth)),
    ));
    let near = near.as_ref().map_err(Clone::clone);
    charts
        .push(shown("Near the quota", near.and_then(|(at, near)| lists::near(near, &words::moment(*at, &asked.zone)))));
    charts
}

/// Returns the charts over time.
fn over_time(overview: &Overview, asked: &ReportParameters) -> Vec<String> {
    let Overview { unit, slots: cut, gaps, uses, .. } = overview;
    if cut.len() < 2 || uses.is_empty() {
        let why = if uses.is_empty() {
            "No processors and no memory were used in this time."
        } else {
            "This time is too short for a chart."
        };
        return vec![missing("Use over time", why)];
    }
    let zone = &asked.zone;
    let slot = |slot: &Watched| Slot {
        short: words::short(slot.from, *unit, zone),
        long: words::long(slot.from, *unit, zone),
        key: words::key(slot.from),
        gaps: gaps.iter().filter_map(|gap| part(gap, slot)).collect(),
    };
    let slots: Vec<Slot> = cut.iter().map(slot).collect();
    // A user has one colour in all charts: the place in the order of the first one.
    let order: Vec<&UserName> = uses.iter().flat_map(|one| &one.users).map(|series| &series.user).collect();
    let place = |series: &Series| order.iter().position(|user| **user == series.user);
    let chart = |Use { resource, users, quota }: &Use| {
        let mut users: Vec<&Series> = users.iter().collect();
        users.sort_by_key(|series| place(series));
        let (id, title, name) = match *resource {
            MEMORY => ("memory", "Memory", "GiB hours"),
            _ => ("cpu", "Processors", "CPU hours"),
        };
        let layers = users.iter().map(|series| Layer { name: series.user.to_string(), sums: series.sums.clone() });
        let stack = Stack {
            id,
            title: format!("{title} by {}", unit.as_str()),
            unit: name,
            slot: unit.as_str(),
            slots: &slots,
            layers: layers.collect(),
            // The quota is of the user, and not of a cluster.
            quota: quota.clone().filter(|_| asked.of.is_none()),
            without: if asked.of.is_none() { words::NO_QUOTA } else { words::USERS_QUOTA },
            one: one_of(resource),
        };
        stack.figure().html()
    };
    uses.iter().map(chart).collect()
}

/// Returns the part of a slot that a gap covers, in thousandths of the slot.
fn part(gap: &Watched, slot: &Watched) -> Option<(i128, i128)> {
    let both = Watched { from: gap.from.max(slot.from), until: gap.until.min(slot.until) };
    let at = |until: Timestamp| length(&Watched { from: slot.from, until }) * 1000 / length(slot).max(1);
    (both.from < both.until).then(|| (at(both.from), at(both.until)))
}

#[cfg(test)]
mod tests;
