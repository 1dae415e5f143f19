//! The page of a report in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use cmp_tests::binaries::{axe, built};
use cmp_tests::browser::Browser;
use cmp_tests::child::{PATIENCE, output};
use cmp_tests::process::Folder;
use serde_json::{Value, json};

use crate::month;

/// Writes the page of the generated month, and returns its path.
fn page(folder: &Path) -> PathBuf {
    let (db, page) = (folder.join("month.db"), folder.join("month.html"));
    month::write(&db);
    let mut report = Command::new(&built().plugin);
    report.args(["report", "--from", "2026-10", "--to", "2026-10", "--time-zone", "Europe/Berlin"]);
    report.args(["--price", "cpu=0.03", "--price", "memory=0.004", "--price", "storage=0.0001", "--currency", "EUR"]);
    report.args(["-o", "html", "--db"]).arg(&db);
    let said = output(&mut report, PATIENCE).unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    fs::write(&page, said.stdout).unwrap();
    page
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Returns the texts of the elements that a selector finds.
fn texts(browser: &mut Browser, selector: &str) -> Vec<String> {
    let texts = format!("[...document.querySelectorAll({})].map(one => one.textContent)", json!(selector));
    serde_json::from_value(browser.evaluate(&texts)).unwrap()
}

#[test]
fn a_page_is_readable_on_every_screen() {
    let folder = Folder::new();
    let page = page(folder.path());
    assert!(fs::metadata(&page).unwrap().len() < 500_000, "the page is too large");
    let axe = fs::read_to_string(axe().unwrap_or_else(|why| panic!("{why}"))).unwrap();
    let mut browser = Browser::start();
    for (width, colours) in [(1200, "light"), (390, "light"), (1200, "dark"), (390, "dark")] {
        browser.set(width, colours);
        browser.open(&page);
        assert_eq!(browser.console(), Vec::<Value>::new(), "{width} {colours}");
        if (width, colours) == (1200, "light") && env::var("SNAPSHOTS").is_ok_and(|action| action == "overwrite") {
            fs::write(docs().join("report.png"), browser.picture(width, 1080)).unwrap();
        }
        let picture = fs::read(docs().join("report.png")).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() < 200_000, "the picture has {} bytes", picture.len());
        assert_eq!(browser.resources(), json!([]), "the page needs no other file");
        let wide = browser.evaluate("[document.documentElement.scrollWidth, innerWidth]");
        assert!(wide[0].as_u64() <= wide[1].as_u64() && wide[1] == width, "{width}: {wide}");
        // The details are read, too.
        browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(wide.as_u64() <= Some(u64::from(width)), "{width} with all numbers: {wide}");
        browser.evaluate(&format!("{axe};0"));
        let violations = browser.evaluate(
            "axe.run(document, {preload: false}).then(found => found.violations.map(one => \
             [one.id, one.help, one.nodes.map(node => node.html)]))",
        );
        assert_eq!(violations, json!([]), "{width} {colours}");
        let background = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        assert_eq!(background == "rgb(255, 255, 255)", colours == "light", "{background}");
    }
}

#[test]
fn the_questions_in_the_documentation_have_answers() {
    let folder = Folder::new();
    let file = folder.path().join("month.db");
    month::write(&file);
    let document = fs::read_to_string(docs().join("REPORTING.md")).unwrap();
    let db = rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let answers: Vec<Vec<String>> = document
        .split("```sql\n")
        .skip(1)
        .map(|part| {
            let mut query = db.prepare(part.split("```").next().unwrap()).unwrap();
            let columns = query.column_count();
            let text = |value: rusqlite::types::Value| match value {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Real(number) => format!("{number:.2}"),
                other => format!("{other:?}"),
            };
            let row =
                |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at).map(text)).collect::<Result<Vec<_>, _>>();
            query.query_map([], row).unwrap().map(|row| row.unwrap().join(" ")).collect()
        })
        .collect();
    assert_eq!(answers.len(), 3);
    let report = ["report", "--from", "2026-10", "--to", "2026-10", "-o", "json", "--db"];
    let said = output(Command::new(&built().plugin).args(report).arg(&file), PATIENCE).unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    let rows = report["status"]["rows"].as_array().unwrap();
    let mut users: Vec<String> = rows
        .iter()
        .map(|row| {
            let hours = row["resources"]["cpu"]["hours"].as_str().unwrap();
            // Every amount of the month is a multiple of a half, so that no digit is rounded.
            format!("{} {}", row["user"].as_str().unwrap(), hours.strip_suffix("0000").unwrap())
        })
        .collect();
    users.sort_unstable();
    let mut answered = answers[0].clone();
    assert!(answered[0].starts_with("chandra "), "{answered:?}");
    answered.sort_unstable();
    assert_eq!(answered, users);
    assert_eq!((answers[1].len(), answers[1][0].as_str()), (10, "anna shop shop-0 2026-09-30T22:00:00.000Z"));
    let of_ben: Vec<&String> = answers[2].iter().filter(|row| row.starts_with("ben ")).collect();
    let before = r#"ben {"cpu":"24","memory":"144Gi"} 2026-09-30 22:00:00 2026-10-11 22:00:00"#;
    let since = r#"ben {"cpu":"36","memory":"144Gi"} 2026-10-11 22:00:00 Null"#;
    assert_eq!(of_ben, [before, since]);
}

#[test]
fn a_page_has_the_same_numbers_in_its_charts_and_tables() {
    let folder = Folder::new();
    let page = page(folder.path());
    let mut browser = Browser::start();
    browser.set(1200, "light");
    browser.open(&page);
    // Each mark has its number in the table of its figure, and in the sentence that the pointer shows.
    let wrong = browser.evaluate(
        "[...document.querySelectorAll('figure')].flatMap(figure => {\
           const cells = new Set([...figure.querySelectorAll('td')].map(cell => cell.textContent));\
           return [...figure.querySelectorAll('[data-v]')].map(mark => [mark.dataset.v, mark.querySelector('title').textContent])\
             .filter(([value, title]) => !cells.has(value) || !title.includes(value));\
         })",
    );
    assert_eq!(wrong, json!([]));
    assert!(browser.evaluate("document.querySelectorAll('[data-v]').length").as_u64() > Some(400));
    // The bars of a day are those of the table of days, and the long day has 25 hours.
    let days = texts(&mut browser, "figure:has(#cpu-t) tbody tr");
    assert_eq!(days.len(), 31, "{days:?}");
    let all = |browser: &mut Browser, rows: &str, cell: &str| texts(browser, &format!("{rows} tr {cell}"));
    let chart = all(&mut browser, "figure:has(#cpu-t) tbody", "td:nth-last-child(2)");
    let table = all(&mut browser, ".wide:last-of-type tbody", "td:nth-child(3)");
    assert_eq!(chart, table);
    // Sorting by a column, and the number under the pointer.
    let first = |browser: &mut Browser| texts(browser, ".wide tbody tr:first-child th").remove(0);
    let click = "document.querySelector('.wide thead th button').click()";
    let before = first(&mut browser);
    browser.evaluate(click);
    assert_eq!((first(&mut browser), before), ("anna".to_owned(), "chandra".to_owned()));
    browser.evaluate(click);
    assert_eq!(first(&mut browser), "platform");
    assert_eq!(texts(&mut browser, ".wide thead th[aria-sort=descending]"), ["User"]);
    browser.evaluate(
        "document.querySelector('#cpu-t').parentNode.querySelector('[data-v]')\
         .dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))",
    );
    assert_eq!(texts(&mut browser, "figure:has(#cpu-t) .read"), ["1 October 2026, chandra: 384.00 CPU hours"]);
    assert_eq!(browser.console(), Vec::<Value>::new());
}
