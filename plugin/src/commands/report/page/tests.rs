use std::collections::BTreeMap;

use cmp_core::resources::Resources;
use cmp_core::schedule::Schedule;
use cmp_core::state::State::{self, Running, Suspended};
use cmp_core::usage::near::Nearness;
use cmp_core::usage::overview::overview;
use cmp_core::usage::price::Prices;
use cmp_core::usage::range::Range;
use cmp_core::usage::rates::Rates;
use cmp_core::usage::savings::{Planned, offers};
use cmp_core::usage::{Span, Tally};
use jiff::tz::TimeZone;

use super::html::{Cell, Table};
use super::*;

/// A name that would be a script in a page that does not escape it.
const HOSTILE: &str = "</title></script><script>alert(1)</script>\"' onload='x' <b>&\u{202e}\x1b[2J";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span(owner: &str, instance: &str, state: State, from: &str, until: &str) -> Span {
    let instance: cmp_core::name::InstanceName = instance.parse().unwrap();
    Span {
        owner: owner.parse().unwrap(),
        cluster: instance.cluster.clone(),
        cluster_uid: instance.cluster.to_string(),
        instance_uid: instance.to_string(),
        instance,
        kind: cmp_core::vocabulary::InstanceType::Container,
        state,
        paused: false,
        by: Some(HOSTILE.to_owned()),
        size: Resources::from_list("cpu=2,memory=4Gi").unwrap(),
        from: at(from),
        until: at(until),
    }
}

fn asked(prices: &[(&str, &str)]) -> ReportParameters {
    let prices: Prices = prices.iter().map(|(name, price)| (name.parse().unwrap(), price.parse().unwrap())).collect();
    let currency = (!prices.is_empty()).then(|| "EUR".to_owned());
    ReportParameters { owner: None, of: None, by: By::User, zone: TimeZone::UTC, rates: Rates::flat(prices), currency }
}

/// Returns the page of spans in a range that was watched, with what is near a quota and with clusters that have schedules.
fn page(
    asked: &ReportParameters,
    range: (&str, &str),
    spans: &[Span],
    near: &[Nearness],
    planned: &[Planned],
) -> String {
    let range = Range { from: at(range.0), until: at(range.1) };
    let watched = [Watched { from: range.from, until: range.until }];
    let report = |by| {
        let mut tally = Tally::new(range, by, asked.zone.clone(), &asked.rates);
        for span in spans {
            tally.add(span).unwrap();
        }
        tally.finish(&watched)
    };
    let page = Page {
        asked,
        users: report(By::User),
        clusters: report(By::Cluster),
        days: report(By::Day),
        overview: overview(range, &asked.zone, spans, &[], &watched).unwrap(),
        near: Ok((range.until, near.to_vec())),
        offers: Ok(offers(range, planned, spans, &asked.rates).unwrap()),
    };
    of(page).unwrap()
}

fn near(owner: &str) -> Nearness {
    Nearness {
        owner: owner.to_owned(),
        resource: "cpu".parse().unwrap(),
        charged: 15_500_000_000,
        quota: 16_000_000_000,
    }
}

fn schedule(suspend: &str, zone: &str) -> Schedule {
    Schedule {
        suspend: vec![suspend.to_owned()],
        resume: vec!["0 7 * * *".to_owned()],
        time_zone: Some(zone.to_owned()),
        ..Default::default()
    }
}

#[test]
fn the_page_begins_with_a_sentence_and_its_numbers() {
    let month = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let lead = |page: &str| {
        let (_, rest) = page.split_once("<p class=\"lead\">").unwrap();
        rest.split_once("</p>").unwrap().0.to_owned()
    };
    let (from, until) = month;
    let spans = [
        span("john", "web-0", Running, from, until),
        span("mary", "db-0", Running, from, "2026-10-11T00:00:00Z"),
        span("mary", "db-0", Suspended, "2026-10-11T00:00:00Z", until),
    ];
    let shown = |asked: &ReportParameters, spans: &[Span]| lead(&page(asked, month, spans, &[], &[]));
    let free = asked(&[]);
    assert_eq!(
        shown(&free, &spans),
        "In October 2026, 2 people used 1,968 CPU hours; suspending saved 34 %, 1,008 CPU hours."
    );
    let paid = asked(&[("cpu", "0.5")]);
    assert_eq!(
        shown(&paid, &spans),
        "In October 2026, 2 people used 1,968 CPU hours for 984.00 EUR; suspending saved 34 %, 504.00 EUR."
    );
    assert_eq!(shown(&free, &spans[..1]), "In October 2026, 1 person used 1,488 CPU hours; suspending saved nothing.");
    assert_eq!(shown(&free, &[]), "In October 2026, the mirror recorded no instance.");
    let johns = ReportParameters { owner: Some("john".parse().unwrap()), ..asked(&[]) };
    assert_eq!(shown(&johns, &spans[..1]), "In October 2026, john used 1,488 CPU hours; suspending saved nothing.");
}

#[test]
fn a_chart_without_data_is_a_sentence() {
    let day = ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z");
    let one = [span("john", "web-0", Running, day.0, day.1)];
    let text = page(&asked(&[]), day, &one, &[], &[]);
    for reason in [
        "Weeks are compared from two weeks on, and 1.0 days of this period are known.",
        "The hours of a week are shown from one week on, and 1.0 days of this period are known.",
        "No cluster has a schedule that suspends and resumes it.",
        "The mirror recorded no quota in this time.",
    ] {
        assert!(text.contains(reason), "{reason}");
    }
    assert!(text.contains("Processors by hour") && text.contains("Use by cluster"), "the others are drawn");
    let text = page(&asked(&[("storage", "1")]), day, &one, &[], &[]);
    assert!(text.contains("The use of this time costs nothing."));
    let text = page(&asked(&[]), day, &[], &[], &[]);
    assert!(text.contains("No processors and no memory were used in this time."));
}

/// Asserts that every tag is one of ours and is closed, and returns the number of scripts.
fn scripts(page: &str) -> usize {
    let (head, _) = page.split_once("<script>").unwrap_or((page, ""));
    let (_, body) = head.split_once("</style>").unwrap_or(("", head));
    let mut open: Vec<String> = ["html", "head"].map(str::to_owned).into();
    for tag in body.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').unwrap();
        assert!(!rest.contains('>'), "{rest}");
        let name = tag.split_whitespace().next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, ["html", "body"], "all other tags are closed");
    page.matches("<script").count()
}

#[test]
fn texts_of_others_stay_texts() {
    let month = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let spans = [span("john", "web-0", Running, month.0, month.1), span("mary", "db-0", Running, month.0, month.1)];
    let planned = |cluster: &str, schedule| Planned {
        owner: "john".parse().unwrap(),
        cluster: cluster.parse().unwrap(),
        schedule,
    };
    let all = [planned("web", None), planned("db", Some(schedule("0 19 * * *", "Europe/Berlin")))];
    let paid = ReportParameters { currency: Some(HOSTILE.to_owned()), ..asked(&[("cpu", "0.5")]) };
    let text = page(&paid, month, &spans, &[near(HOSTILE), near("john")], &all);
    assert_eq!(scripts(&text), 1, "the script of the page is the only one");
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains("onload='"));
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the name is shown");
    // Every function that puts a text into an element escapes it, whatever its types allow today.
    let cells = vec![Cell::from(HOSTILE), Cell::keyed(HOSTILE, HOSTILE.to_owned())];
    let table = || Table {
        name: HOSTILE.to_owned(),
        heads: vec![HOSTILE.to_owned(); 2],
        names: 1,
        rows: vec![cells.clone()],
        total: Some(cells.clone()),
    };
    let slot = || Slot { short: HOSTILE.into(), long: HOSTILE.into(), key: HOSTILE.into(), gaps: vec![(0, 500)] };
    let stack = Stack {
        id: "cpu",
        title: HOSTILE.to_owned(),
        unit: HOSTILE,
        slot: HOSTILE,
        slots: &[slot(), slot()],
        layers: vec![Layer { name: HOSTILE.to_owned(), sums: vec![1000, 2000] }],
        quota: Some(vec![3000, 3000]),
        without: HOSTILE,
        one: 1000,
    };
    let figure = stack.figure();
    let pieces = [table().html(), figure.html(), missing(HOSTILE, HOSTILE)].concat();
    assert!(!pieces.contains("<script") && !pieces.contains("<b>&") && !pieces.contains("' "), "{pieces}");
}

#[test]
fn the_policy_of_the_page_allows_its_own_script_and_style_alone() {
    let text = page(&asked(&[]), ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"), &[], &[], &[]);
    let (_, policy) = text.split_once("Content-Security-Policy\" content=\"").unwrap();
    let (policy, _) = policy.split_once('"').unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    for (tag, content) in [("style", STYLE), ("script", SCRIPT)] {
        assert!(text.contains(&format!("<{tag}>{content}</{tag}>")), "{tag}");
        assert!(policy.contains(&format!("{tag}-src 'sha256-{}'", hash(content))), "{policy}");
        // The output escapes control characters, and the hash is that of the text before.
        assert!(!content.contains(|letter: char| letter.is_control() && letter != '\n'), "{tag}");
    }
    // `openssl dgst -sha256 -binary | base64` prints the same for a text.
    assert_eq!(hash("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    assert!(
        !text.contains(" style=") && !text.contains("http:") && !text.contains("https:"),
        "nothing is inline, and nothing is fetched"
    );
}

#[test]
fn the_marks_of_a_chart_are_the_numbers_of_its_table() {
    let month = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    let spans = [
        span("john", "web-0", Running, "2026-10-02T05:00:00Z", "2026-10-22T11:30:00Z"),
        span("john", "web-0", Suspended, "2026-10-22T11:30:00Z", month.1),
        span("mary", "db-0", Running, "2026-10-10T00:10:00Z", month.1),
    ];
    let planned = [
        Planned { owner: "john".parse().unwrap(), cluster: "web".parse().unwrap(), schedule: None },
        Planned {
            owner: "mary".parse().unwrap(),
            cluster: "db".parse().unwrap(),
            schedule: Some(schedule("0 19 * * *", "UTC")),
        },
    ];
    let text = page(&asked(&[("cpu", "0.03")]), month, &spans, &[near("john"), near("mary")], &planned);
    let mut figures = BTreeMap::new();
    for figure in text.split("<figure").skip(1).filter_map(|part| part.split("</figure>").next()) {
        let (_, id) = figure.split_once("<title id=\"").unwrap();
        let cells: Vec<&str> = figure.split("<td").skip(1).filter_map(|cell| cell.split(['>', '<']).nth(1)).collect();
        let marks: Vec<&str> = figure.split("data-v=\"").skip(1).filter_map(|mark| mark.split('"').next()).collect();
        for mark in &marks {
            assert!(cells.contains(mark), "{mark} is not in {cells:?}");
        }
        figures.insert(id.split("-t").next().unwrap().to_owned(), marks.len());
    }
    let expected = [
        ("clusters", 2),
        ("cpu", 31 + 21 - 9),
        ("hours", 168),
        ("memory", 43),
        ("near", 2),
        ("offers", 1),
        ("weeks", 2),
    ];
    assert_eq!(figures, BTreeMap::from(expected.map(|(id, marks)| (id.to_owned(), marks))));
}
