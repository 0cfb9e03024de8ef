use proptest::prelude::*;

use crate::parse;
use crate::trust::EVERY_KEY;

/// A pipeline file with one thing in it replaced, cut out or repeated.
fn nearly_right(example: &'static str) -> impl Strategy<Value = String> {
    let ends = (0..example.len(), 0usize..40);
    let noise =
        prop_oneof![Just(String::new()), "[ \\-:{}\\[\\],&*!|>'\"%@`#~?\t\n]{0,6}", "[a-zV0-9.é]{0,6}", "\\PC{0,4}"];
    (ends, noise).prop_map(move |((start, width), noise)| {
        let end = (start + width).min(example.len());
        let mut text = String::from_utf8_lossy(&example.as_bytes()[..start]).into_owned();
        text.push_str(&noise);
        text.push_str(&String::from_utf8_lossy(&example.as_bytes()[end..]));
        text
    })
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    if let Err(complaints) = parse(text) {
        prop_assert!(complaints.iter().count() > 0);
        for complaint in &complaints {
            prop_assert!(complaint.to_string().lines().count() == 1);
            prop_assert!(complaint.render(true).len() > complaint.render(false).len());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_parsed_or_complained_about(text in "(?s).{0,200}") {
        survives(&text)?;
    }

    #[test]
    fn any_slip_in_the_example_is_parsed_or_complained_about(
        text in nearly_right(include_str!("../../../../pipeline.yaml")),
    ) {
        survives(&text)?;
    }

    #[test]
    fn any_slip_in_any_key_is_parsed_or_complained_about(text in nearly_right(EVERY_KEY)) {
        survives(&text)?;
    }

    #[test]
    fn any_slip_in_any_key_of_the_api_is_parsed_or_complained_about(text in nearly_right(crate::api::EVERY_KEY)) {
        survives(&text)?;
    }

    #[test]
    fn any_characters_of_yaml_are_parsed_or_complained_about(text in "[-:{}\\[\\],&*!|>'\"%@`#~? \tax1.\r\n]{0,60}") {
        survives(&text)?;
    }
}

#[test]
fn a_file_of_aliases_of_aliases_takes_no_time() {
    let mut text = "name: fraud\na0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        text.extend([format!("a{level}: &a{level} [*a{below}, *a{below}]\n")]);
    }
    text.push_str("stages: *a39\n");
    assert!(parse(&text).is_err());
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
    assert!(parse(&"a: {".repeat(100_000)).is_err());
}

#[test]
fn equality_ignores_the_places() {
    assert_eq!(parse("name: fraud").unwrap(), parse("# the same\n\nname:   'fraud'\n").unwrap());
}

#[test]
fn a_later_check_underlines_the_place_as_well() {
    let spec = parse("name: fraud\nstages:\n- train:\n    data: rows.csv\n- deploy-proxy\n").unwrap();
    let seen = |path: &str| spec.complain(path, "not found").help("look elsewhere").render(false);
    insta::assert_snapshot!(seen("stages.train.data"), @"
    error: not found
     --> pipeline.yaml:4:11
      |
    4 |     data: rows.csv
      |           ^^^^^^^^
      |
      = help: look elsewhere
    ");
    insta::assert_snapshot!(seen("stages.train.label"), @"
    error: not found
     --> pipeline.yaml:3:3
      |
    3 | - train:
      |   ^^^^^
      |
      = help: look elsewhere
    ");
    insta::assert_snapshot!(seen("stages.deploy-proxy.route"), @"
    error: not found
     --> pipeline.yaml:5:3
      |
    5 | - deploy-proxy
      |   ^^^^^^^^^^^^
      |
      = help: look elsewhere
    ");
    insta::assert_snapshot!(seen("stages.upload.bucket"), @"
    error: not found
     --> pipeline.yaml:2:1
      |
    2 | stages:
      | ^^^^^^
      |
      = help: look elsewhere
    ");
    insta::assert_snapshot!(seen("targets.prod.region"), @"
    error: not found
     --> pipeline.yaml:1:1
      |
    1 | name: fraud
      | ^^^^
      |
      = help: look elsewhere
    ");
}

#[test]
fn a_complaint_is_one_line_in_a_log() {
    let complaints = parse("name: fraud\nstages:\n- train: { lable: Class }\n- create-rôle: { é: 1 }").unwrap_err();
    insta::assert_snapshot!(complaints, @"
    pipeline.yaml:3:12: unknown key `lable`
    pipeline.yaml:4:3: unknown stage `create-rôle`
    ");
}

#[test]
fn what_a_file_holds_cannot_drive_the_terminal() {
    let complaints = parse("name: fraud\n\"a\\e[2J\\nb\": 1\n").unwrap_err();
    insta::assert_snapshot!(complaints, @r"pipeline.yaml:2:1: unknown key `a\u{1b}[2J\nb`");
}
