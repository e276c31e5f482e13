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

/// The rows of a file, each with the number of its line; a quote that is never closed is an error of that line.
pub fn read(text: &str) -> Result<Vec<(usize, Vec<String>)>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut line, mut begun) = (None, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted.is_some() && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' if quoted.is_some() => quoted = None,
            '"' if cell.is_empty() => quoted = Some(line),
            c if quoted.is_some() => cell.push(c),
            ',' => row.push(std::mem::take(&mut cell)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push((begun, std::mem::take(&mut row)));
                begun = line;
            }
            c => cell.push(c),
        }
    }
    if let Some(line) = quoted {
        return Err(line);
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push((begun, row));
    }
    rows.retain(|(_, row)| row.iter().any(|cell| !cell.is_empty()));
    for cell in rows.iter_mut().flat_map(|(_, row)| row) {
        if let Some(plain) = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '\t', '\r'])) {
            *cell = plain.to_owned();
        }
    }
    Ok(rows)
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

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let cells = ["fc-1", "a, \"b\"", "two\r\nlines", "=1+1", "-", "'quoted'", "日本"];
        let text = "case,x\r\n".to_owned() + &line(cells) + "\r\nlast,row";
        let rows = read(&text).unwrap();
        assert_eq!(rows[1], (2, cells.map(str::to_owned).to_vec()));
        assert_eq!(rows[2], (5, vec!["last".to_owned(), "row".to_owned()]));
        assert_eq!(read("case\n\"fc-1\n"), Err(2));
    }
}
