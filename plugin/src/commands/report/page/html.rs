//! The elements of the page. Every text is escaped here.

use crate::escape;

/// Escapes text for HTML and SVG, in elements and in attributes between double quotes.
pub(super) fn escaped(text: &str) -> String {
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

/// A cell of a table: its text, and a key for the script if the text does not sort as people expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    key: Option<String>,
}

impl Cell {
    /// Makes a cell that sorts by a key.
    pub(super) fn keyed(text: impl Into<String>, key: String) -> Self {
        Self { text: text.into(), key: Some(key) }
    }

    fn html(&self, at: usize, names: usize) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!(" data-k=\"{}\"", escaped(key)));
        let text = escaped(&self.text);
        match at {
            0 => format!("<th scope=\"row\"{key}>{text}</th>"),
            at if at < names => format!("<td class=\"t\"{key}>{text}</td>"),
            _ => format!("<td{key}>{text}</td>"),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), key: None }
    }
}

/// A table. The script makes its headers buttons that sort.
pub(super) struct Table {
    /// The name of the table, which is read out.
    pub(super) name: String,
    /// The headers of the columns.
    pub(super) heads: Vec<String>,
    /// The number of columns at the left that hold names.
    pub(super) names: usize,
    /// The rows.
    pub(super) rows: Vec<Vec<Cell>>,
    /// The sum of all rows, which stays last.
    pub(super) total: Option<Vec<Cell>>,
}

impl Table {
    /// Returns the table. A wide one scrolls within its frame, which the keyboard reaches.
    pub(super) fn html(&self) -> String {
        let name = escaped(&self.name);
        let head = |(at, head): (usize, &String)| {
            let class = if at < self.names { " class=\"t\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", escaped(head))
        };
        let heads: String = self.heads.iter().enumerate().map(head).collect();
        let row = |row: &Vec<Cell>| {
            let cells = row.iter().enumerate().map(|(at, cell)| cell.html(at, self.names));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let rows: String = self.rows.iter().map(row).collect();
        let total = self.total.as_ref().map_or_else(String::new, |total| format!("<tfoot>\n{}</tfoot>\n", row(total)));
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">\n<table class=\"sort\">\n\
             <caption>{name}</caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n{total}</table>\n</div>\n"
        )
    }
}

/// The entry of a legend: the class of its colour, its name and its value.
pub(super) type Entry = (String, String, String);

/// A chart with its title, its explanation and its numbers.
pub(super) struct Figure {
    /// The title.
    pub(super) title: String,
    /// The explanation, with the units.
    pub(super) about: String,
    /// The picture, as SVG.
    pub(super) svg: String,
    /// The colours.
    pub(super) legend: Vec<Entry>,
    /// The same numbers as a table.
    pub(super) numbers: Table,
}

impl Figure {
    /// Returns the figure.
    pub(super) fn html(&self) -> String {
        let entry = |(class, name, value): &Entry| {
            let value = if value.is_empty() { String::new() } else { format!(" <b>{}</b>", escaped(value)) };
            format!("<li><span class=\"key {}\"></span>{}{value}</li>", escaped(class), escaped(name))
        };
        let legend: String = self.legend.iter().map(entry).collect();
        let legend = if legend.is_empty() { String::new() } else { format!("<ul class=\"legend\">{legend}</ul>\n") };
        format!(
            "<figure class=\"card\">\n<figcaption>\n<h2>{}</h2>\n<p>{}</p>\n</figcaption>\n{}\
             <p class=\"read\" aria-hidden=\"true\"></p>\n{legend}<details>\n<summary>The numbers of this chart</summary>\n{}</details>\n</figure>\n",
            escaped(&self.title),
            escaped(&self.about),
            self.svg,
            self.numbers.html(),
        )
    }
}

/// Returns the place of a chart that cannot be drawn, with the reason.
pub(super) fn missing(title: &str, why: &str) -> String {
    format!("<section class=\"card none\">\n<h2>{}</h2>\n<p>{}</p>\n</section>\n", escaped(title), escaped(why))
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
