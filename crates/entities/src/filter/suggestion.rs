//! The name that was probably meant.

/// Characters by which a name may be longer or shorter than what was meant, and most
/// mistakes in it: more, and any short name would be meant by any other.
const MOST_MISTAKES: usize = 2;
/// Names that are told when none is close.
const TOLD: usize = 8;

/// What to write in the place of a name that there is not: a name that is like it, or
/// else the names that there are.
pub(super) fn instead<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(closest) = closest(name, names.clone()) {
        return format!("did you mean `{closest}`?");
    }
    let told: Vec<&str> = names.clone().take(TOLD).collect();
    let more = names.count() - told.len();
    let rest = if more > 0 { format!(" or {more} more") } else { String::new() };
    format!("expected one of {}{rest}", told.join(", "))
}

fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let chars: Vec<char> = lowercase(name);
    let allowed = MOST_MISTAKES.min(chars.len().div_ceil(3));
    let near = names.filter_map(|other| {
        let other_chars = lowercase(other);
        let differ = other_chars.len().abs_diff(chars.len());
        let mistakes = (differ <= allowed).then(|| mistakes(&chars, &other_chars))?;
        (mistakes <= allowed).then_some((mistakes, other))
    });
    // The first of the closest ones.
    near.min_by_key(|(mistakes, _)| *mistakes).map(|(_, other)| other)
}

fn lowercase(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Characters that were added, left out, exchanged, or swapped with their neighbour
/// (optimal string alignment distance).
fn mistakes(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut least = (above[j] + usize::from(l != r)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_name_is_told_or_else_those_that_there_are() {
        let names = ["price", "title", "brand", "座位数"];
        let told = |name: &str| instead(name, names.into_iter());
        for (wrong, meant) in
            [("prize", "price"), ("pirce", "price"), ("Titel", "title"), ("座位", "座位数")]
        {
            assert_eq!(told(wrong), format!("did you mean `{meant}`?"));
        }
        assert_eq!(told("colour"), "expected one of price, title, brand, 座位数");
        assert_eq!(told(""), "expected one of price, title, brand, 座位数");
        let many = instead("x", std::iter::repeat_n("name", 20));
        assert!(many.ends_with("or 12 more"), "{many}");
    }

    #[test]
    fn mistakes_are_counted() {
        let count = |l: &str, r: &str| mistakes(&lowercase(l), &lowercase(r));
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!((count("ab", "ba"), count("", "abc"), count("same", "same")), (1, 3, 0));
    }
}
