//! Finds the columns that are asked for by their names.

use super::{Asked, DataError};

/// Where the wanted columns stand in a row.
pub(super) struct Wanted {
    pub(super) label: usize,
    pub(super) features: Vec<usize>,
}

impl Wanted {
    pub(super) fn find(asked: &Asked<'_>, columns: &[String]) -> Result<Self, DataError> {
        let Asked { path, label, features, .. } = *asked;
        let path = || path.to_owned();
        if columns.iter().all(String::is_empty) {
            return Err(DataError::Empty { path: path() });
        }
        let find = |name: &str| {
            let mut places = (0..columns.len()).filter(|it| columns[*it] == name);
            match (places.next(), places.next()) {
                (place, None) => Ok(place),
                (_, Some(_)) => Err(DataError::DuplicateColumn { path: path(), name: name.to_owned() }),
            }
        };
        let Some(label) = find(label)? else {
            let nearest = nearest(label, columns);
            return Err(DataError::LabelMissing {
                path: path(),
                name: label.to_owned(),
                nearest,
                columns: columns.to_vec(),
            });
        };
        let places = features.iter().map(|it| find(it)).collect::<Result<Vec<_>, _>>()?;
        let mut missing = features.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(name, _)| name);
        if let Some(name) = missing.next() {
            return Err(DataError::FeatureMissing {
                path: path(),
                name: name.clone(),
                nearest: nearest(name, columns),
                others: missing.count(),
                columns: columns.to_vec(),
            });
        }
        Ok(Self { label, features: places.into_iter().flatten().collect() })
    }
}

/// The column that is the same but for case, or else differs by the fewest letters, at most a third of them.
fn nearest(name: &str, columns: &[String]) -> Option<String> {
    let folded = name.to_lowercase();
    let limit = name.chars().count().div_ceil(3);
    let distances = columns.iter().map(|it| (distance(&folded, &it.to_lowercase()), it));
    distances.filter(|(far, _)| *far <= limit).min_by_key(|(far, _)| *far).map(|(_, it)| it.clone())
}

/// Levenshtein's.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
