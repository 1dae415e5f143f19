//! A report as one HTML page. It needs no other files and runs no scripts.

use crate::commands::report::sheet::{COUNTED, Sheet};
use crate::escape;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}\
table{border-collapse:collapse}th,td{padding:.3rem .8rem;text-align:right;font-variant-numeric:tabular-nums}\
th{font-size:.8rem;border-bottom:2px solid #888}td{border-bottom:1px solid #ddd}\
th:first-child,td:first-child{text-align:left}tr:last-child td{font-weight:bold;border-top:2px solid #888}\
footer{font-size:.8rem;color:#666;margin-top:1rem}";

/// Returns the HTML of the page.
pub(super) fn of(sheet: &Sheet) -> String {
    let rows = sheet.rows(2);
    let row = |cells: &[String], tag: &str| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let (heads, lines) = rows.split_first().map_or((&[][..], &[][..]), |(heads, lines)| (heads.as_slice(), lines));
    let lines: String = lines.iter().map(|cells| row(cells, "td")).collect();
    let title = sheet.about.first().map(|line| escaped(line)).unwrap_or_default();
    let about: Vec<String> = sheet.about.iter().skip(1).map(|line| format!("{}<br>\n", escaped(line.trim()))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Use of the cluster</h1>\n<p>{title}</p>\n\
         <p>{}</p>\n<table>\n<thead>\n{}</thead>\n<tbody>\n{lines}</tbody>\n</table>\n<footer>{COUNTED}</footer>\n\
         </body>\n</html>\n",
        about.concat(),
        row(heads, "th")
    )
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in escape::line(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_in_html() {
        assert_eq!(escaped("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
        assert_eq!(escaped("a\n\x1b<"), "a\\n^[&lt;");
    }
}
