//! Filters: what the server has accepted and refused, every limit, and the JSON that is written.

use std::fs;
use std::path::Path;

use pusher_proto::filter::{CheckedFilter, ExpressionError, Filter, InvalidFilter};
use serde_json::Value;

/// The filters of a recording with the server's answers: `None` if the server accepted the filter.
fn recorded() -> Vec<(Value, Option<String>)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/vectors/v2/sockudo-5.2.0-filters.jsonl");
    let text = fs::read_to_string(path).expect("the recordings are part of the repository");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let mut filters = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let sent = line["frame"].as_str().filter(|_| line["dir"] == "send");
        // The recorder cut the longest frame; its step says what it was.
        let Some(Ok(frame)) = sent.map(serde_json::from_str::<Value>) else { continue };
        let Some(filter) = frame["data"].as_object().and_then(|data| data.get("filter").or(data.get("tags_filter")))
        else {
            continue;
        };
        let answer = lines[at + 1..].iter().find(|next| next["conn"] == line["conn"]).expect("each filter is answered");
        let answer: Value = serde_json::from_str(answer["frame"].as_str().expect("an answer is text")).expect("JSON");
        let error = answer["data"]["message"].as_str().map(str::to_owned);
        filters.push((filter.clone(), error));
    }
    filters
}

#[test]
fn judges_the_recorded_filters_as_the_server_does() {
    let mut refused = 0;
    let mut accepted = 0;
    for (filter, error) in recorded() {
        let ours = Filter::from_json(&filter.to_string()).and_then(Filter::check);
        assert_eq!(ours.is_err(), error.is_some(), "{filter}: {ours:?}, {error:?}");
        match ours {
            Ok(ours) => {
                accepted += 1;
                let again: Value = serde_json::from_str(ours.as_json()).expect("a filter is JSON");
                assert_eq!(again["events"], filter["events"]);
                assert_eq!(CheckedFilter::try_from(Filter::from_json(ours.as_json()).unwrap()), Ok(ours));
            }
            Err(ours) => {
                refused += 1;
                println!("{ours}, {error:?}");
            }
        }
    }
    // One of the 18 refusals is the frame that the recorder cut.
    assert_eq!((accepted, refused), (11, 17));
    let cut = format!(r#"{{"key":"k","cmp":"in","vals":[{}]}}"#, vec![r#""v""#; 129].join(","));
    assert_eq!(Filter::from_json(&cut), Err(InvalidFilter::TooManyValues { len: 129 }));
}

#[track_caller]
fn json(filter: Filter) -> String {
    filter.check().expect("the filter is valid").to_string()
}

#[test]
fn writes_every_comparison_as_the_server_reads_it() {
    let leaf = |cmp: &str, rest: &str| format!(r#"{{"key":"k","cmp":"{cmp}"{rest}}}"#);
    for (filter, expected) in [
        (Filter::eq("k", "é \"v\""), leaf("eq", r#","val":"é \"v\"""#)),
        (Filter::eq("k", 7), leaf("eq", r#","val":"7""#)),
        (Filter::ne("k", true), leaf("neq", r#","val":"true""#)),
        (Filter::in_("k", ["a", ""]), leaf("in", r#","vals":["a",""]"#)),
        (Filter::not_in("k", [1, 2]), leaf("nin", r#","vals":["1","2"]"#)),
        (Filter::exists("k"), leaf("ex", "")),
        (Filter::not_exists("k"), leaf("nex", "")),
        (Filter::starts_with("k", "v"), leaf("sw", r#","val":"v""#)),
        (Filter::ends_with("k", "v"), leaf("ew", r#","val":"v""#)),
        (Filter::contains("k", "v"), leaf("ct", r#","val":"v""#)),
        (Filter::gt("k", 1), leaf("gt", r#","val":"1""#)),
        (Filter::ge("k", 1.5), leaf("gte", r#","val":"1.5""#)),
        (Filter::lt("k", -2), leaf("lt", r#","val":"-2""#)),
        (Filter::le("k", f32::INFINITY), leaf("lte", r#","val":"inf""#)),
    ] {
        assert_eq!(json(filter.clone()), expected);
        assert_eq!(Filter::from_json(&expected), Ok(filter));
    }
}

#[test]
fn equal_combinations_become_one_and_the_others_stay() {
    let [a, b, c] = ["a", "b", "c"].map(Filter::exists);
    let [x, y, z] = ["a", "b", "c"].map(|key| format!(r#"{{"key":"{key}","cmp":"ex"}}"#));
    let all = format!(r#"{{"op":"and","nodes":[{x},{y},{z}]}}"#);
    assert_eq!(json(a.clone().and(b.clone()).and(c.clone())), all);
    assert_eq!(json(a.clone().and(b.clone().and(c.clone()))), all);
    assert_eq!(json(Filter::all([a.clone(), b.clone(), c.clone()])), all);
    assert_eq!(json(Filter::any([a.clone(), b.clone(), c.clone()])), all.replace("and", "or"));
    assert_eq!(json(Filter::any([a.clone()])), x);
    let mixed = format!(r#"{{"op":"or","nodes":[{{"op":"and","nodes":[{x},{y}]}},{{"op":"not","nodes":[{z}]}}]}}"#);
    assert_eq!(json(a.and(b).or(!c)), mixed);
}

#[test]
fn names_tags_and_expression_are_parts_of_one_object() {
    let filter = Filter::exists("a").and(Filter::expression("data.total > `1`")).and(Filter::events(["x", "y"]));
    let expected = r#"{"events":["x","y"],"tags":{"key":"a","cmp":"ex"},"expression":"data.total > `1`"}"#;
    assert_eq!(json(filter.and(Filter::all([Filter::exists("b")]))), {
        let both = r#"{"op":"and","nodes":[{"key":"a","cmp":"ex"},{"key":"b","cmp":"ex"}]}"#;
        expected.replace(r#"{"key":"a","cmp":"ex"}"#, both)
    });
    assert_eq!(json(Filter::expression("@")), r#"{"expression":"@"}"#);
    let long_form = r#"{"expression":{"language":"jmespath","source":"@"}}"#;
    assert_eq!(Filter::from_json(long_form), Ok(Filter::expression("@")));
    let names = || Filter::events(["x"]);
    for (filter, error) in [
        (names().and(names()), InvalidFilter::Repeated("event names")),
        (Filter::expression("a").and(Filter::expression("b")), InvalidFilter::Repeated("an expression")),
        (names().or(Filter::exists("a")), InvalidFilter::NotTags),
        (Filter::exists("a").or(Filter::exists("a").and(names())), InvalidFilter::NotTags),
        (!Filter::expression("a"), InvalidFilter::NotTags),
    ] {
        assert_eq!(filter.check(), Err(error));
    }
}

/// Each limit with what is just within it, and what is just beyond.
#[test]
fn each_limit_is_checked_and_named() {
    let long = |len: usize| "x".repeat(len);
    let alternatives = |len: usize| Filter::any((0..len).map(|n| Filter::exists(n.to_string())));
    let nested = |levels: usize| (1..levels).fold(Filter::exists("a"), |filter, _| !filter);
    let path = |dots: usize| Filter::expression(format!("a{}", ".a".repeat(dots)));
    let list = |len: usize| Filter::expression(format!("[{}]", vec!["a"; len].join(",")));
    let expression = InvalidFilter::Expression;
    for (within, beyond, error, text) in [
        (Filter::exists(long(256)), Filter::exists(long(257)), InvalidFilter::Key { len: 257 }, "256"),
        (
            Filter::eq("a", long(1_024)),
            Filter::eq("a", long(1_025)),
            InvalidFilter::ValueTooLong { len: 1_025 },
            "1024",
        ),
        (
            Filter::in_("a", [long(1_024)]),
            Filter::in_("a", [long(1_025)]),
            InvalidFilter::ValueTooLong { len: 1_025 },
            "1024",
        ),
        (Filter::in_("a", 0..128), Filter::in_("a", 0..129), InvalidFilter::TooManyValues { len: 129 }, "128"),
        (alternatives(127), alternatives(128), InvalidFilter::TooManyNodes, "128"),
        (nested(16), nested(17), InvalidFilter::TooDeep, "16"),
        (Filter::events(vec!["x"; 50]), Filter::events(vec!["x"; 51]), InvalidFilter::TooManyEvents { len: 51 }, "50"),
        (Filter::events([long(200)]), Filter::events([long(201)]), InvalidFilter::EventName { len: 201 }, "200"),
        (
            Filter::expression(long(4_096)),
            Filter::expression(long(4_097)),
            expression(ExpressionError::TooLong { len: 4_097 }),
            "expression",
        ),
        (path(31), path(32), expression(ExpressionError::TooDeep), "expression"),
        (list(255), list(256), expression(ExpressionError::TooManyNodes), "expression"),
    ] {
        let within = within.check().expect("the filter is within the limit");
        assert_eq!(within.as_json().parse(), Ok(within));
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(beyond.check(), Err(error));
    }
}

#[test]
fn empty_parts_are_refused() {
    let none: [&str; 0] = [];
    for (filter, error) in [
        (Filter::exists(""), InvalidFilter::Key { len: 0 }),
        (Filter::eq("a", ""), InvalidFilter::EmptyValue),
        (Filter::in_("a", none), InvalidFilter::NoValues),
        (Filter::gt("a", f64::NAN), InvalidFilter::NotANumber),
        (Filter::events(none), InvalidFilter::NoEvents),
        (Filter::events(["a", ""]), InvalidFilter::EventName { len: 0 }),
        (Filter::expression(""), InvalidFilter::Expression(ExpressionError::Empty)),
        (Filter::all([]), InvalidFilter::NoConditions),
        (Filter::any([]), InvalidFilter::NoConditions),
        (Filter::exists("a").and(Filter::eq("a", "")), InvalidFilter::EmptyValue),
        (Filter::exists("").or(Filter::eq("a", "")), InvalidFilter::Key { len: 0 }),
        (!Filter::exists(""), InvalidFilter::Key { len: 0 }),
    ] {
        assert_eq!(filter.check(), Err(error));
    }
}

#[test]
fn json_that_is_not_a_filter_is_refused() {
    let json = |expected| InvalidFilter::Json { expected };
    let condition = "a condition on tags, which is a JSON object";
    for (text, error) in [
        ("", json("a JSON object")),
        ("[]", json("a JSON object")),
        ("null", json("a JSON object")),
        ("{} {}", json("a JSON object")),
        ("{}", json("a `key` or an `op`")),
        (r#"{"key":"a"}"#, json("a `cmp`")),
        (r#"{"key":7,"cmp":"ex"}"#, json("a string as `key`")),
        (r#"{"key":"a","cmp":null}"#, json("a `cmp`")),
        (r#"{"key":"a","cmp":"eq","val":null}"#, InvalidFilter::EmptyValue),
        (r#"{"key":"a","cmp":"eq","val":[]}"#, json("a string, a number or a boolean as a value")),
        (r#"{"key":"a","cmp":"in","vals":{}}"#, json("an array as `vals`")),
        (r#"{"key":"a","cmp":"in","vals":[null]}"#, json("a string, a number or a boolean as a value")),
        (r#"{"key":"a","cmp":"ex","nodes":[{}]}"#, json("an `op` beside `nodes`")),
        (r#"{"op":"and","nodes":[],"key":"a"}"#, json("either `op` and `nodes`, or `key` and `cmp`")),
        (r#"{"op":"and","nodes":7}"#, json("an array as `nodes`")),
        (r#"{"op":"and","nodes":[7]}"#, json(condition)),
        (r#"{"op":"not"}"#, json("exactly one condition in `not`")),
        (r#"{"op":"or"}"#, InvalidFilter::NoConditions),
        (r#"{"op":"nor","nodes":[]}"#, InvalidFilter::UnknownName("nor".into())),
        (r#"{"key":"a","cmp":"EX"}"#, InvalidFilter::UnknownName("EX".into())),
        (r#"{"key":"a","cmp":"ex","value":"b"}"#, InvalidFilter::UnknownField("value".into())),
        (r#"{"events":["a"],"key":"b"}"#, InvalidFilter::UnknownField("key".into())),
        (r#"{"events":[7]}"#, json("an array of strings as `events`")),
        (r#"{"events":null}"#, json("an array of strings as `events`")),
        (r#"{"tags":null}"#, json(condition)),
        (r#"{"expression":null}"#, json("an expression as a string or an object")),
        (r#"{"expression":{}}"#, json("a string as `source` of an expression")),
        (r#"{"expression":{"source":"a","x":"b"}}"#, InvalidFilter::UnknownField("x".into())),
    ] {
        assert_eq!(Filter::from_json(text), Err(error), "{text}");
    }
    let deep = |levels: usize| {
        format!("{}{}{}", r#"{"op":"not","nodes":["#.repeat(levels), r#"{"key":"a","cmp":"ex"}"#, "]}".repeat(levels))
    };
    assert!(Filter::from_json(&deep(15)).is_ok());
    assert_eq!(Filter::from_json(&deep(16)), Err(InvalidFilter::TooDeep));
    assert_eq!(Filter::from_json(&deep(100_000)), Err(InvalidFilter::TooDeep));
    let wide = format!(r#"{{"op":"or","nodes":[{}]}}"#, vec![r#"{"key":"a","cmp":"ex"}"#; 128].join(","));
    assert_eq!(Filter::from_json(&wide), Err(InvalidFilter::TooManyNodes));
}

#[test]
fn numbers_and_booleans_stay_as_they_are_written() {
    for text in [r#"{"key":"a","cmp":"eq","val":1.50}"#, r#"{"key":"a","cmp":"in","vals":[1,true,"x"]}"#] {
        assert_eq!(text.parse::<CheckedFilter>().unwrap().as_json(), text);
    }
}

#[test]
fn expressions_of_the_grammar_are_accepted() {
    for source in [
        "a",
        "_a1",
        "\"quoted name\"",
        "@",
        "`[1, {\"a\": null}]`",
        "'it\\'s'",
        "a.b.c",
        "a[0]",
        "a[-1]",
        "a[1:2]",
        "[::-1]",
        "[:]",
        "a[*].b",
        "*",
        "a.*.b",
        "a[]",
        "[]",
        "a[?b > `1`].c",
        "[?a]",
        "a || b && !c",
        "a == b",
        "a != 'x'",
        "a<=b",
        "(a | b).c",
        "{a: b, \"c\": d.e}",
        "a.{b: c}",
        "[a, b]",
        "a.[b, c]",
        "length(a)",
        "sort_by(@, &a.b)",
        "f()",
        "max([a, b])[0]",
        "a | b | c",
        "contains(tags.assets, 'BTC') && headers.prio == `3`",
        "a.b[0][1]",
        "a[*][0]",
        "a[][?b]",
        "!a.b",
        "\ta \n",
        "a.&b",
        "data.total > `100`",
    ] {
        assert!(Filter::expression(source).check().is_ok(), "{source}: {:?}", Filter::expression(source).check());
    }
}

#[test]
fn other_expressions_are_refused_where_they_go_wrong() {
    let operand = "an operand";
    for (source, at, expected) in [
        ("data.[", 6, operand),
        ("a.", 2, "a name, `*`, `[`, `{` or `&`"),
        ("a b", 2, "an operator or the end"),
        ("a = b", 2, "`==`"),
        ("a # b", 2, "a character that JMESPath has"),
        ("é", 0, "a character that JMESPath has"),
        ("a[b]", 2, "a number, `:` or `*`"),
        ("a[1", 2, "an index"),
        ("a[1:2:3:4]", 7, "an index"),
        ("a[99999999999]", 2, "a number"),
        ("a[-0]", 2, "a number"),
        ("'open", 0, "a closing delimiter"),
        ("`{`", 0, "JSON in backticks"),
        ("\"\\x\"", 0, "a JSON string"),
        ("\"f\"(a)", 0, "a function name without quotes"),
        ("a.b[0](c)", 6, "the name of a function before `(`"),
        ("f(a,)", 4, "an expression"),
        ("f(a", 3, operand),
        ("(a", 2, "`)`"),
        ("{}", 1, "a name"),
        ("{a: b", 5, "`,` or `}`"),
        ("{a b}", 3, "`:`"),
        ("a[?b", 4, "`]`"),
        ("a[*", 3, "`]`"),
        ("*a", 1, "an operator or the end"),
        ("a[*]{b: c}", 4, "`.`, `[` or `[?`"),
        ("a && ", 5, operand),
        ("a ! b", 2, "an operator"),
    ] {
        let error = Filter::expression(source).check().unwrap_err();
        let InvalidFilter::Expression(ExpressionError::Syntax { at: found, expected: text }) = error else {
            panic!("{source}: {error}")
        };
        assert!(found == at && text.starts_with(expected), "{source}: expected {text} at {found}");
    }
}

/// The parser goes no deeper than its limit, whatever is nested.
#[test]
fn nothing_nests_without_bound() {
    for part in ["(", "!", "[", "a[?", "{a:", "f(", "&(", "a.[", "a||", "*."] {
        let error = Filter::expression(part.repeat(1_000)).check().unwrap_err();
        assert_eq!(error, InvalidFilter::Expression(ExpressionError::TooDeep), "{part}");
    }
}
