//! The known name that an unknown one was probably meant to be.

/// ` ...; did you mean "NAME"?`, or nothing if no name is near.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let most = (unknown.chars().count() / 4).max(2);
    let nearest = known.into_iter().map(|name| (distance(unknown, name), name)).min();
    match nearest.filter(|(distance, _)| *distance <= most) {
        Some((_, name)) => format!("; did you mean {name:?}?"),
        None => String::new(),
    }
}

/// How many characters must be added, removed or replaced to make one of the other, whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, left) in one.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
