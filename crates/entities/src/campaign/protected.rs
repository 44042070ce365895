//! What is known of people that must not decide who is offered something.
//!
//! The grounds of the Equal Credit Opportunity Act (15 U.S.C. § 1691(a); Regulation B, 12 CFR
//! 1002.2(z)), the special categories of GDPR Article 9(1), and the grounds of the EU Charter of
//! Fundamental Rights, Article 21. Attributes are free texts of a platform: this keeps out what
//! is called by its name. What a platform calls otherwise is its own to answer for.

/// Words of protected grounds: an attribute is one where its name has one of them as a word.
const WORDS: [&str; 42] = [
    "age",
    "birthdate",
    "birthday",
    "birthyear",
    "caste",
    "color",
    "colour",
    "creed",
    "dob",
    "disability",
    "disabled",
    "ethnic",
    "ethnicity",
    "faith",
    "gender",
    "genetic",
    "handicap",
    "health",
    "immigration",
    "marital",
    "married",
    "minority",
    "nationality",
    "orientation",
    "party",
    "political",
    "politics",
    "pregnancy",
    "pregnant",
    "race",
    "racial",
    "religion",
    "religious",
    "sex",
    "sexual",
    "sexuality",
    "transgender",
    "union",
    "veteran",
    "welfare",
    "benefits",
    "tribe",
];

/// The same in Chinese, where words are not parted: wherever they stand in a name.
const PARTS: [&str; 14] = [
    "年龄",
    "出生",
    "生日",
    "性别",
    "性取向",
    "民族",
    "种族",
    "宗教",
    "信仰",
    "婚姻",
    "怀孕",
    "残疾",
    "国籍",
    "政治",
];

/// Whether an attribute of a user names a protected ground.
pub(super) fn is_protected(name: &str) -> bool {
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
        || PARTS.iter().any(|part| name.contains(part))
}

/// The words of a name, in small letters: `dateOfBirth`, `date_of_birth` and `Date of birth` have
/// the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let begins = !letter.is_alphanumeric() || (letter.is_uppercase() && was_small);
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_grounds_are_known_however_they_are_written() {
        for name in [
            "gender",
            "Gender",
            "user_gender",
            "userGender",
            "age band",
            "MARITAL-STATUS",
            "性别",
            "用户年龄段",
            "sexualOrientation",
            "dob",
        ] {
            assert!(is_protected(name), "{name}");
        }
        for name in ["plan", "city", "language", "usage", "package", "会员等级", "message", "Essex"]
        {
            assert!(!is_protected(name), "{name}");
        }
    }
}
