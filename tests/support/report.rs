//! Figures of a run, for people and for docs/RELIABILITY.md.

use serde_json::Value;

/// A table of what was measured. Also written, as Markdown and as JSON, into the folder `REPORT_DIR`, if that is set.
pub fn report(name: &str, rows: &[(&str, Value)]) -> String {
    let mut table = "| what | figure |\n|---|---|\n".to_owned();
    for (what, figure) in rows {
        let figure = figure.as_str().map_or_else(|| figure.to_string(), str::to_owned);
        table.push_str(&format!("| {what} | {figure} |\n"));
    }
    if let Ok(folder) = std::env::var("REPORT_DIR") {
        let rows: serde_json::Map<String, Value> =
            rows.iter().map(|(what, figure)| ((*what).to_owned(), figure.clone())).collect();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/{name}.json"), format!("{:#}\n", Value::from(rows))).unwrap();
        std::fs::write(format!("{folder}/{name}.md"), &table).unwrap();
    }
    table
}
