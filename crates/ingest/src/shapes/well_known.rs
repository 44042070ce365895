//! Event names that everybody uses, and what a domain may call them.
//!
//! The names are those of Segment's e-commerce and video specifications, of GA4
//! and of Amazon Personalize's recipes. Beside each stand the event types that
//! mean it, the most usual first; the first that the domain has is taken.

use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::ids::EventType;

const VIEW: &[&str] = &["view", "product_viewed", "product-viewed", "detail-page-view", "watch"];
const LIST: &[&str] = &["list-view", "list_view", "impression"];
const CLICK: &[&str] = &["click", "select", "view"];
const CART: &[&str] = &["cart", "add-to-cart", "add_to_cart", "addtocart", "basket"];
const WISH: &[&str] = &["wishlist", "add-to-wishlist", "add_to_wishlist", "favourite", "like"];
const CHECKOUT: &[&str] = &["checkout", "begin-checkout", "begin_checkout"];
const PURCHASE: &[&str] = &["purchase", "order", "buy", "enrol", "enroll", "transaction"];
const REFUND: &[&str] = &["refund", "return"];
const SHARE: &[&str] = &["share"];
const WATCH: &[&str] = &["watch", "play", "view"];
const COMPLETE: &[&str] = &["complete", "finish", "watch"];

const NAMES: &[(&str, &[&str])] = &[
    ("product viewed", VIEW),
    ("view item", VIEW),
    ("view", VIEW),
    ("detailpageview", VIEW),
    ("product list viewed", LIST),
    ("view item list", LIST),
    ("product clicked", CLICK),
    ("select item", CLICK),
    ("click", CLICK),
    ("product added", CART),
    ("add to cart", CART),
    ("addtocart", CART),
    ("product added to wishlist", WISH),
    ("add to wishlist", WISH),
    ("checkout started", CHECKOUT),
    ("begin checkout", CHECKOUT),
    ("order completed", PURCHASE),
    ("purchase", PURCHASE),
    ("order refunded", REFUND),
    ("refund", REFUND),
    ("product shared", SHARE),
    ("share", SHARE),
    ("video playback started", WATCH),
    ("video content started", WATCH),
    ("watch", WATCH),
    ("video playback completed", COMPLETE),
    ("video content completed", COMPLETE),
];

/// The event type that a name stands for in a domain: one of the same name, or
/// what the name is well known for.
pub(super) fn event_type(name: &str, definition: &DomainDefinition) -> Option<EventType> {
    let known = |text: &str| {
        EventType::parse(text).ok().filter(|found| definition.event_types.contains_key(found))
    };
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let by_name = [name.to_owned(), words.join("_"), words.join("-"), words.concat()];
    let spaced = words.join(" ");
    let usual = NAMES.iter().find(|(usual, _)| *usual == spaced).map_or(&[][..], |(_, of)| *of);
    by_name.iter().map(String::as_str).chain(usual.iter().copied()).find_map(known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_the_domains_own_type_or_what_everybody_means_by_it() {
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": "Shop", "currency": "EUR", "event_types": {
                "view": {"weight": 1.0}, "cart": {"weight": 2.0}, "buy": {"weight": 5.0},
                "course_started": {"weight": 2.0},
            },
        }))
        .unwrap();
        for (name, expected) in [
            ("Product Viewed", Some("view")),
            ("view_item", Some("view")),
            ("Product Added", Some("cart")),
            ("AddToCart", Some("cart")),
            ("Order Completed", Some("buy")),
            ("Course Started", Some("course_started")),
            ("buy", Some("buy")),
            ("Buy", Some("buy")),
            ("Order Refunded", None),
            ("Signed Up", None),
            ("", None),
        ] {
            let found = event_type(name, &definition);
            assert_eq!(found.as_ref().map(EventType::as_str), expected, "{name}");
        }
    }
}
