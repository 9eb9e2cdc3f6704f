//! Rows of text as columns for people.

use agentgen_build::inspect::printable;

use crate::terminal::diagnostic_report::{bold, dim};

/// The rows below `header`, each column as wide as its longest cell. The first column is bold, the header dim; a column without a
/// value in any row is left out.
pub fn text_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let width = |text: &str| text.chars().count();
    let columns: Vec<(usize, usize)> = (0..header.len())
        .filter_map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| width(cell)).max().unwrap_or(0);
            (widest > 0).then(|| (column, widest.max(width(header[column]))))
        })
        .collect();
    let line = |cell: &dyn Fn(usize) -> String, style: &dyn Fn(usize, &str) -> String| {
        let mut text = String::new();
        for (place, (column, widest)) in columns.iter().enumerate() {
            let cell = cell(*column);
            // What follows the last cell would be spaces alone.
            let is_last = place + 1 == columns.len();
            let padding = if is_last {
                0
            } else {
                widest - width(&cell) + 2
            };
            text.push_str(&style(*column, &cell));
            text.extend(std::iter::repeat_n(' ', padding));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = String::new();
    if !rows.is_empty() {
        text = line(&|column| header[column].to_owned(), &|_, cell| dim(cell));
    }
    for row in &rows {
        let cell = |column: usize| row.get(column).cloned().unwrap_or_default();
        text.push_str(&line(&cell, &|column, cell| match column {
            0 => bold(cell),
            _ => cell.to_owned(),
        }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text_table;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [row(["größer", "", "1", "x"]), row(["b", "", "22", ""])];
        let text = text_table(&["NAME", "EMPTY", "N", "FILE"], &rows);
        let plain: String = text
            .split('\u{1b}')
            .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest))
            .collect();
        assert_eq!(plain, "NAME    N   FILE\ngrößer  1   x\nb       22\n");
        assert_eq!(text_table(&["NAME"], &[]), "");
    }
}
