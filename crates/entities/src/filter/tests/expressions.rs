//! Random expressions: any that the parser may make, and those that the schema of the tests
//! takes.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::rows::{ATTRIBUTES, some_number, some_text};
use crate::filter::AttributeType;
use crate::filter::lexer::keyword;
use crate::filter::syntax::{
    ArithmeticOperator, ComparisonOperator, Expression, ExpressionKind, Literal, LiteralValue,
};

pub(super) const COMPARISONS: [ComparisonOperator; 6] = [
    ComparisonOperator::Equal,
    ComparisonOperator::NotEqual,
    ComparisonOperator::Less,
    ComparisonOperator::AtMost,
    ComparisonOperator::Greater,
    ComparisonOperator::AtLeast,
];
const ARITHMETIC: [ArithmeticOperator; 4] = [
    ArithmeticOperator::Add,
    ArithmeticOperator::Subtract,
    ArithmeticOperator::Multiply,
    ArithmeticOperator::Divide,
];

type Random = BoxedStrategy<Expression>;

fn comparison() -> impl Strategy<Value = ComparisonOperator> {
    prop::sample::select(&COMPARISONS[..])
}

pub(super) fn literal(value: LiteralValue) -> Expression {
    ExpressionKind::Literal(value.into()).into()
}

pub(super) fn compare(
    left: Expression,
    operator: ComparisonOperator,
    right: Expression,
) -> Expression {
    let (left, right) = (left.into(), right.into());
    ExpressionKind::Compare { left, operator, right }.into()
}

pub(super) fn arithmetic(
    left: Expression,
    operator: ArithmeticOperator,
    right: Expression,
) -> Expression {
    let (left, right) = (left.into(), right.into());
    ExpressionKind::Arithmetic { left, operator, right }.into()
}

pub(super) fn negated(inner: Expression) -> Expression {
    ExpressionKind::Not(inner.into()).into()
}

pub(super) fn within(value: Expression, within: Expression) -> Expression {
    ExpressionKind::In { value: value.into(), within: within.into() }.into()
}

pub(super) fn list(entries: Vec<LiteralValue>) -> Expression {
    ExpressionKind::List(entries.into_iter().map(Literal::from).collect()).into()
}

pub(super) fn call(function: &str, arguments: Vec<Expression>) -> Expression {
    ExpressionKind::Call { function: function.into(), arguments }.into()
}

fn between((value, low, high): (Expression, Expression, Expression)) -> Expression {
    let (value, low, high) = (value.into(), low.into(), high.into());
    ExpressionKind::Between { value, low, high }.into()
}

fn negative(inner: Expression) -> Expression {
    ExpressionKind::Negative(inner.into()).into()
}

fn any_name() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[a-z_]{1,3}", "[课程价a-z_][课程0-9_]{0,4}"];
    name.prop_filter("a word of the language", |name| keyword(name).is_none())
}

fn any_literal() -> impl Strategy<Value = LiteralValue> {
    let number = (any::<i128>(), 0_u32..=28, 32_u32..128).prop_map(|(digits, scale, shift)| {
        LiteralValue::Number(Decimal::from_i128_with_scale(digits >> shift, scale))
    });
    prop_oneof![
        number,
        any::<String>().prop_map(LiteralValue::Text),
        any::<bool>().prop_map(LiteralValue::Boolean),
        any::<String>().prop_map(LiteralValue::Date),
        "[0-9TZ:-]{0,8}".prop_map(LiteralValue::Timestamp),
    ]
}

/// Any expression that the parser may make, of whatever types.
pub(super) fn any_expression() -> Random {
    let leaf = prop_oneof![
        any_name().prop_map(|name| ExpressionKind::Field(name).into()),
        any::<String>().prop_map(|name| ExpressionKind::Attribute(name).into()),
        any_name().prop_map(|name| ExpressionKind::Attribute(name).into()),
        Just(ExpressionKind::Attribute("Not".into()).into()),
        any_literal().prop_map(literal),
        prop::collection::vec(any_literal(), 0..4).prop_map(list),
    ];
    let function =
        any_name().prop_filter("a literal", |name| name != "date" && name != "timestamp").boxed();
    leaf.prop_recursive(5, 40, 3, move |inner| {
        let group = prop::collection::vec(inner.clone(), 2..4);
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            group.clone().prop_map(|group| ExpressionKind::All(group).into()),
            group.prop_map(|group| ExpressionKind::Any(group).into()),
            inner.clone().prop_map(negated),
            inner.clone().prop_map(negative),
            (two.clone(), comparison()).prop_map(|((l, r), operator)| compare(l, operator, r)),
            two.clone().prop_map(|(value, set)| within(value, set)),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(between),
            (two, prop::sample::select(&ARITHMETIC[..]))
                .prop_map(|((l, r), operator)| arithmetic(l, operator, r)),
            (function.clone(), prop::collection::vec(inner, 0..3))
                .prop_map(|(function, arguments)| call(&function, arguments)),
        ]
    })
    .boxed()
}

/// A field of a type, by its name or its path.
fn field(of: AttributeType) -> Random {
    let built_in: &[&str] = match of {
        AttributeType::Text => &["item_id", "title"],
        AttributeType::Number => &["price"],
        AttributeType::Boolean => &[],
        AttributeType::Time => &["available_from", "available_until"],
        AttributeType::TextSet => &["categories"],
    };
    let bare = built_in.iter().map(|name| ExpressionKind::Field((*name).into()));
    let declared = ATTRIBUTES.iter().filter(|(_, own)| *own == of);
    let paths = declared.map(|(name, _)| ExpressionKind::Attribute((*name).into()));
    prop::sample::select(bare.chain(paths).collect::<Vec<_>>()).prop_map(Expression::from).boxed()
}

fn number() -> Random {
    let constant = || some_number().prop_map(|number| literal(LiteralValue::Number(number)));
    let measured = prop_oneof![
        text().prop_map(|text| call("len", vec![text])),
        field(AttributeType::TextSet).prop_map(|set| call("len", vec![set])),
        time().prop_map(|time| call("days_since", vec![time])),
        time().prop_map(|time| call("days_until", vec![time])),
    ];
    let leaf = prop_oneof![4 => field(AttributeType::Number), 3 => constant(), 3 => measured];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let operator = prop::sample::select(&ARITHMETIC[..]);
        prop_oneof![
            inner.clone().prop_map(negative),
            (inner.clone(), operator, inner)
                .prop_map(|(l, operator, r)| arithmetic(l, operator, r)),
        ]
    })
    .boxed()
}

fn text_value() -> impl Strategy<Value = LiteralValue> {
    some_text().prop_map(LiteralValue::Text)
}

fn text() -> Random {
    let leaf = prop_oneof![3 => field(AttributeType::Text), 1 => text_value().prop_map(literal)];
    leaf.prop_recursive(2, 3, 1, |inner| inner.prop_map(|text| call("lower", vec![text]))).boxed()
}

/// Times as they may be written: as texts only beside a time.
fn time_value() -> impl Strategy<Value = LiteralValue> {
    let dates = ["2026-10-31", "2026-11-01", "2026-11-02"];
    let times = ["2026-11-01T08:00:00Z", "2026-11-01T16:00:00+08:00", "2026-10-31T20:00:00Z"];
    let as_text = prop::sample::select([dates, times].concat());
    prop_oneof![
        prop::sample::select(dates.to_vec()).prop_map(|text| LiteralValue::Date(text.into())),
        prop::sample::select(times.to_vec()).prop_map(|text| LiteralValue::Timestamp(text.into())),
        as_text.prop_map(|text| LiteralValue::Text(text.into())),
    ]
}

fn time() -> Random {
    let constant = time_value().prop_map(literal);
    prop_oneof![3 => field(AttributeType::Time), 1 => constant].boxed()
}

fn test() -> Random {
    let set = || field(AttributeType::TextSet);
    let instant = || field(AttributeType::Time);
    let texts = || prop::collection::vec(text_value(), 0..4).prop_map(list);
    let numbers = prop::collection::vec(some_number().prop_map(LiteralValue::Number), 0..4);
    let times = prop::collection::vec(time_value(), 0..3);
    let equality = prop::sample::select(&COMPARISONS[..2]);
    let likeness = prop::sample::select(&["contains", "starts_with", "ends_with"][..]);
    let anything = fields_of_any_type();
    let of_set = prop::sample::select(&["has_any", "has_all"][..]);
    prop_oneof![
        (number(), comparison(), number()).prop_map(|(l, operator, r)| compare(l, operator, r)),
        (instant(), comparison(), time()).prop_map(|(l, operator, r)| compare(l, operator, r)),
        (time(), comparison(), instant()).prop_map(|(l, operator, r)| compare(l, operator, r)),
        (text(), equality, text()).prop_map(|(l, operator, r)| compare(l, operator, r)),
        (number(), number(), number()).prop_map(between),
        (instant(), time(), time()).prop_map(between),
        (number(), numbers.prop_map(list)).prop_map(|(value, list)| within(value, list)),
        (instant(), times.prop_map(list)).prop_map(|(value, list)| within(value, list)),
        (text(), texts()).prop_map(|(value, list)| within(value, list)),
        (text_value(), set()).prop_map(|(text, set)| within(literal(text), set)),
        (likeness, text(), text()).prop_map(|(name, left, right)| call(name, vec![left, right])),
        (of_set, set(), texts()).prop_map(|(name, set, texts)| call(name, vec![set, texts])),
        anything.prop_map(|field| call("has", vec![field])),
        field(AttributeType::Boolean),
        any::<bool>().prop_map(|is_true| literal(LiteralValue::Boolean(is_true))),
    ]
    .boxed()
}

fn fields_of_any_type() -> Random {
    prop_oneof![
        field(AttributeType::Text),
        field(AttributeType::Number),
        field(AttributeType::Boolean),
        field(AttributeType::Time),
        field(AttributeType::TextSet),
    ]
    .boxed()
}

/// A filter that the schema of the tests takes.
pub(super) fn condition() -> Random {
    test()
        .prop_recursive(4, 12, 3, |inner| {
            let group = prop::collection::vec(inner.clone(), 2..4);
            let equality = prop::sample::select(&COMPARISONS[..2]);
            prop_oneof![
                group.clone().prop_map(|group| ExpressionKind::All(group).into()),
                group.prop_map(|group| ExpressionKind::Any(group).into()),
                inner.clone().prop_map(negated),
                (inner.clone(), equality, inner)
                    .prop_map(|(l, operator, r)| compare(l, operator, r)),
            ]
        })
        .boxed()
}
