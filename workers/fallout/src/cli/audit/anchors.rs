//! The file of exported heads: one JSON object a line, only ever added to.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use fallout_desk::Anchor;

use crate::codes::Failure;

pub fn read(path: &Path) -> Result<Vec<Anchor>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::new("FO-081", format!("{} cannot be read", path.display())).because(e))?;
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            Failure::new("FO-081", format!("{}:{}: this is not an anchor", path.display(), number + 1)).because(e)
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// On the disk when it returns: an anchor that is lost proves nothing.
pub fn append(path: &Path, anchors: &[Anchor]) -> anyhow::Result<()> {
    if anchors.is_empty() {
        return Ok(());
    }
    let mut lines = String::new();
    for anchor in anchors {
        lines += &serde_json::to_string(anchor)?;
        lines.push('\n');
    }
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|e| Failure::new("FO-081", format!("{} cannot be written", path.display())).because(e).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(seq: i64) -> Anchor {
        Anchor { tenant: "t".into(), seq, head: "ab".repeat(32) }
    }

    #[test]
    fn what_is_added_is_read_again_after_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors");
        append(&path, &[]).unwrap();
        assert!(!path.exists());
        append(&path, &[anchor(1)]).unwrap();
        append(&path, &[anchor(2)]).unwrap();
        assert_eq!(read(&path).unwrap(), [anchor(1), anchor(2)]);
    }

    #[test]
    fn a_line_that_is_no_anchor_is_refused_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchors");
        append(&path, &[anchor(1)]).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"tenant\":\"t\"").unwrap();
        let failure = read(&path).unwrap_err();
        assert_eq!(failure.code.id, "FO-081");
        assert!(failure.to_string().ends_with("anchors:2: this is not an anchor"), "{failure}");
    }
}
