//! Agreement with the Common Expression Language, where the two have the same to say:
//! whole numbers, texts, booleans and lists, all of them there.

use cel::{Context, Env, Value as CelValue};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::expressions::{COMPARISONS, arithmetic, call, compare, list, literal, negated, within};
use super::rows::{Items, TEXTS, row, schema};
use crate::filter::parser;
use crate::filter::syntax::{ArithmeticOperator, Expression, ExpressionKind, LiteralValue};

type Random = BoxedStrategy<Expression>;

fn name(name: &str) -> Expression {
    ExpressionKind::Field(name.into()).into()
}

fn number() -> Random {
    let constant = (-9_i64..10).prop_map(|n| literal(LiteralValue::Number(n.into())));
    let fields = prop::sample::select(&["price", "seats"][..]).prop_map(name);
    let operators =
        [ArithmeticOperator::Add, ArithmeticOperator::Subtract, ArithmeticOperator::Multiply];
    prop_oneof![constant, fields]
        .prop_recursive(3, 8, 2, move |inner| {
            let operator = prop::sample::select(operators.to_vec());
            prop_oneof![
                inner.clone().prop_map(|inner| ExpressionKind::Negative(inner.into()).into()),
                (inner.clone(), operator, inner).prop_map(|(l, o, r)| arithmetic(l, o, r)),
            ]
        })
        .boxed()
}

fn text_value() -> impl Strategy<Value = LiteralValue> {
    prop::sample::select(&TEXTS[..]).prop_map(|text| LiteralValue::Text(text.into()))
}

fn text() -> Random {
    let fields = prop::sample::select(&["title", "brand"][..]).prop_map(name);
    prop_oneof![text_value().prop_map(literal), fields].boxed()
}

fn condition() -> Random {
    let numbers =
        prop::collection::vec((-9_i64..10).prop_map(|n| LiteralValue::Number(n.into())), 0..4);
    let texts = prop::collection::vec(text_value(), 0..4);
    let likeness = prop::sample::select(&["contains", "starts_with", "ends_with"][..]);
    let comparison = || prop::sample::select(&COMPARISONS[..]);
    let equality = || prop::sample::select(&COMPARISONS[..2]);
    prop_oneof![
        3 => (number(), comparison(), number()).prop_map(|(l, o, r)| compare(l, o, r)),
        1 => (text(), equality(), text()).prop_map(|(l, o, r)| compare(l, o, r)),
        1 => (number(), numbers.prop_map(list)).prop_map(|(value, list)| within(value, list)),
        1 => (text(), texts.prop_map(list)).prop_map(|(value, list)| within(value, list)),
        1 => (likeness, text(), text()).prop_map(|(name, l, r)| call(name, vec![l, r])),
        1 => prop::sample::select(&["is_new", "is_used"][..]).prop_map(name),
        1 => any::<bool>().prop_map(|is_true| literal(LiteralValue::Boolean(is_true))),
    ]
    .prop_recursive(4, 12, 3, move |inner| {
        let group = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            group.clone().prop_map(|group| ExpressionKind::All(group).into()),
            group.prop_map(|group| ExpressionKind::Any(group).into()),
            inner.clone().prop_map(negated),
            (inner.clone(), equality(), inner).prop_map(|(l, o, r)| compare(l, o, r)),
        ]
    })
    .boxed()
}

/// An expression as the peer writes it, with every parenthesis.
fn written(expression: &Expression, methods: bool) -> String {
    let inner = |expression: &Expression| written(expression, methods);
    let joined = |group: &[Expression], sign: &str| {
        format!("({})", group.iter().map(inner).collect::<Vec<_>>().join(sign))
    };
    match &expression.kind {
        ExpressionKind::All(group) => joined(group, " && "),
        ExpressionKind::Any(group) => joined(group, " || "),
        ExpressionKind::Not(condition) => format!("(!({}))", inner(condition)),
        ExpressionKind::Negative(number) => format!("(-({}))", inner(number)),
        ExpressionKind::Compare { left, operator, right } => {
            let sign = if operator.sign() == "=" { "==" } else { operator.sign() };
            format!("({} {sign} {})", inner(left), inner(right))
        }
        ExpressionKind::Arithmetic { left, operator, right } => {
            format!("({} {} {})", inner(left), operator.sign(), inner(right))
        }
        ExpressionKind::In { value, within } => format!("({} in {})", inner(value), inner(within)),
        ExpressionKind::Call { function, arguments } if methods => {
            let method = match function.as_str() {
                "starts_with" => "startsWith",
                "ends_with" => "endsWith",
                same => same,
            };
            format!("{}.{method}({})", inner(&arguments[0]), inner(&arguments[1]))
        }
        _ => expression.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_common_expression_language_says_the_same(
        expression in condition(),
        (price, seats) in (-9_i64..10, -9_i64..10),
        (title, brand) in (prop::sample::select(&TEXTS[..]), prop::sample::select(&TEXTS[..])),
        (is_new, is_used) in any::<(bool, bool)>(),
    ) {
        // What both can read, both read as the same.
        let read = parser::parse(&written(&expression, false)).unwrap();
        prop_assert_eq!(&read, &expression);

        let env = std::sync::Arc::new(Env::stdlib());
        let source = written(&expression, true);
        let program = env.compile(&source).map_err(|e| TestCaseError::fail(format!("{source}: {e}")))?;
        let mut context = Context::with_env(env);
        context.add_variable_from_value("price", price);
        context.add_variable_from_value("seats", seats);
        context.add_variable_from_value("title", title);
        context.add_variable_from_value("brand", brand);
        context.add_variable_from_value("is_new", is_new);
        context.add_variable_from_value("is_used", is_used);
        let expected = program.execute(&context);
        let expected = expected.map_err(|e| TestCaseError::fail(format!("{source}: {e}")))?;

        let texts = [is_new.to_string(), is_used.to_string()];
        let mut item = row(&[
            ("title", title), ("brand", brand), ("is_new", &texts[0]), ("is_used", &texts[1]),
        ]);
        let numbers = row(&[("price", &price.to_string()), ("seats", &seats.to_string())]);
        item.extend(numbers);
        let admitted = Items::of(&[item]).admitted(&expression.to_string());
        prop_assert_eq!(CelValue::Bool(admitted == [0]), expected, "{}", source);
    }
}

#[test]
fn quotients_differ_by_design() {
    // There, whole numbers are divided to whole numbers.
    let env = std::sync::Arc::new(Env::stdlib());
    let program = env.compile("7 / 2 == 3").unwrap();
    assert_eq!(program.execute(&Context::with_env(env)).unwrap(), CelValue::Bool(true));
    let items = Items::of(&[row(&[])]);
    assert_eq!(items.admitted("7 / 2 = 3.5"), [0]);
    assert_eq!(Decimal::new(35, 1), Decimal::from(7) / Decimal::from(2));
    assert!(crate::filter::Filter::parse("7 / 2", &schema()).is_err());
}
