//! CSV as RFC 4180 has it, and safe to open in a spreadsheet: a cell that it would compute begins with an apostrophe.

/// One line, with its end.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let computed = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if computed { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_quoted_where_it_must_be_and_never_computed() {
        let table = [
            ("fc-1", "fc-1"),
            ("", ""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("-1", "'-1"),
            ("+49", "'+49"),
            ("@a", "'@a"),
        ];
        for (text, expected) in table {
            assert_eq!(line([text, "x"]), format!("{expected},x\r\n"), "{text}");
        }
    }
}
