//! Random filters: columns agree with rows, and sources and JSON with expressions.

use proptest::prelude::*;

use super::expressions::{any_expression, condition};
use super::interpreter::Interpreter;
use super::rows::{Items, Row, now, schema, some_rows};
use crate::filter::syntax::Expression;
use crate::filter::{Filter, FilterError, parser};
use crate::json;

fn limits_only(error: &FilterError) -> bool {
    error.message.starts_with("expected at most")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn columns_admit_the_rows_that_an_interpreter_admits(
        expression in condition(), rows in some_rows(),
    ) {
        let filter = match Filter::from_expression(&expression, &schema()) {
            Ok(filter) => filter,
            Err(error) => {
                prop_assert!(limits_only(&error), "{expression}: {error}");
                return Ok(());
            }
        };
        let admitted: Vec<usize> = filter.admits(&Items::of(&rows), now()).ones().collect();
        let interpreted = |row: &Row| Interpreter { row, now: now() }.admits(&expression);
        let expected: Vec<usize> = (0..rows.len()).filter(|at| interpreted(&rows[*at])).collect();
        prop_assert_eq!(admitted, expected, "{}", expression);
    }

    #[test]
    fn what_an_expression_is_written_as_reads_as_the_same(expression in any_expression()) {
        let source = expression.to_string();
        match parser::parse(&source) {
            Ok(read) => {
                prop_assert_eq!(&read, &expression, "{}", source);
                prop_assert_eq!(read.to_string(), source);
            }
            Err(fault) => prop_assert!(fault.message.starts_with("expected at most"), "{source}: {}", fault.message),
        }
    }

    #[test]
    fn an_expression_comes_back_from_json(expression in any_expression()) {
        let written = serde_json::to_vec(&expression).unwrap();
        let read: Expression = json::from_slice(&written).unwrap();
        prop_assert_eq!(read, expression);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// More rows than a block has.
    #[test]
    fn blocks_fit_together(expression in condition(), rows in some_rows(), times in 300_usize..700) {
        let Ok(filter) = Filter::from_expression(&expression, &schema()) else { return Ok(()) };
        let few = filter.admits(&Items::of(&rows), now());
        let repeated: Vec<Row> = std::iter::repeat_n(&rows, times).flatten().cloned().collect();
        let many = filter.admits(&Items::of(&repeated), now());
        prop_assert_eq!(many.len(), rows.len() * times);
        for at in 0..many.len() {
            prop_assert_eq!(many.get(at), few.get(at % rows.len()));
        }
    }
}
