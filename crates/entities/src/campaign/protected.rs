//! What is known of people that must not decide who is offered something.
//!
//! The grounds of the Equal Credit Opportunity Act (15 U.S.C. § 1691(a); Regulation B, 12 CFR
//! 1002.2(z)), the special categories of GDPR Article 9(1), and the grounds of the EU Charter of
//! Fundamental Rights, Article 21. Attributes are free texts of a platform: this keeps out what
//! is called by its name. What a platform calls otherwise is its own to answer for.

/// Words of protected grounds: an attribute is one where its name has one of them as a word, in the
/// singular or the plural.
const WORDS: [&str; 50] = [
    "age",
    "birth",
    "birthdate",
    "birthday",
    "birthyear",
    "caste",
    "citizen",
    "citizenship",
    "creed",
    "dob",
    "disability",
    "disabled",
    "ethnic",
    "ethnicity",
    "faith",
    "female",
    "gender",
    "genetic",
    "handicap",
    "health",
    "immigrant",
    "immigration",
    "male",
    "marital",
    "married",
    "minority",
    "nationality",
    "native",
    "origin",
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
    "tribe",
    "veteran",
    "welfare",
    "woman",
    "women",
    "agegroup",
    "ageband",
    "agerange",
    "medical",
];

/// Words beside which those above speak of something else: the age of an account, the health of a
/// device.
const OF_THINGS: [&str; 8] = [
    "account",
    "device",
    "membership",
    "notification",
    "notifications",
    "session",
    "subscription",
    "vehicle",
];

/// The same in Chinese, simplified and traditional, where words are not parted: wherever they stand
/// in a name.
const PARTS: [&str; 32] = [
    "年龄",
    "年齡",
    "出生",
    "生日",
    "性别",
    "性別",
    "性取向",
    "民族",
    "种族",
    "種族",
    "宗教",
    "信仰",
    "婚姻",
    "已婚",
    "未婚",
    "婚否",
    "婚况",
    "离婚",
    "離婚",
    "丧偶",
    "喪偶",
    "怀孕",
    "懷孕",
    "残疾",
    "殘疾",
    "国籍",
    "國籍",
    "籍贯",
    "籍貫",
    "政治",
    "健康",
    "病史",
];

/// Whether an attribute of a user names a protected ground.
pub(super) fn is_protected(name: &str) -> bool {
    let words = words(name);
    let is_word = |word: &String| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        WORDS.contains(&word.as_str()) || WORDS.contains(&singular)
    };
    let is_of_a_thing = words.iter().any(|word| OF_THINGS.contains(&word.as_str()));
    (words.iter().any(is_word) && !is_of_a_thing) || PARTS.iter().any(|part| name.contains(part))
}

/// The words of a name, in small letters and without digits: `dateOfBirth`, `date_of_birth` and
/// `Date of birth 2` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let begins = !letter.is_alphabetic() || (letter.is_uppercase() && was_small);
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
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
            "婚否",
            "用户年龄段",
            "sexualOrientation",
            "dob",
        ] {
            assert!(is_protected(name), "{name}");
        }
        for name in [
            "plan",
            "city",
            "language",
            "usage",
            "package",
            "会员等级",
            "message",
            "Essex",
            "account_age",
            "account_health",
            "notifications_disabled",
            "favourite_color",
            "screen_orientation",
            "third_party",
            "party_size",
            "credit_union",
            "employee_benefits",
            "malemute",
            "stage",
        ] {
            assert!(!is_protected(name), "{name}");
        }
    }
}
