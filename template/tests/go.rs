//! What Go's templates and Docker's functions do, as tables: template, data, text.

use serde_json::{Value, json};
use skep_template::Template;

fn data() -> Value {
    json!({
        "Name": "web", "Replicas": 3, "Half": 0.5, "Whole": 2.0, "Big": 18446744073709551615_u64,
        "On": true, "Off": false, "Empty": "", "Null": null, "Zero": 0, "None": [], "NoMap": {},
        "Ports": "*:80->80/tcp", "List": ["a", "b", "c"], "Numbers": [3, 1, 2],
        "Labels": {"z": "last", "a": "first", "com.x": "dotted"},
        "Spec": {"Mode": {"Replicated": {"Replicas": 5}}, "Null": null},
        "Nodes": [{"Name": "n1", "Up": true}, {"Name": "n2", "Up": false}],
    })
}

fn render(template: &str) -> String {
    Template::parse(template)
        .and_then(|template| template.render(&data()))
        .unwrap_or_else(|error| error.to_string())
}

fn check(table: &[(&str, &str)]) {
    for (template, expected) in table {
        assert_eq!(render(template), *expected, "{template}");
    }
}

#[test]
fn text_and_fields() {
    check(&[
        ("", ""),
        ("plain } {", "plain } {"),
        ("{{.Name}}: {{.Replicas}}", "web: 3"),
        ("{{ .Name }}", "web"),
        ("{{.Spec.Mode.Replicated.Replicas}}", "5"),
        ("{{(.Spec.Mode).Replicated.Replicas}}", "5"),
        ("{{(index .Nodes 1).Name}}", "n2"),
        ("{{$.Name}}", "web"),
        ("{{.Labels.z}}", "last"),
        ("{{.Nothing}}", "<no value>"),
        ("{{.Nothing.More}}", "<no value>"),
        ("{{.Null}}", "<no value>"),
        ("{{.Half}} {{.Whole}} {{.Big}}", "0.5 2 18446744073709551615"),
        ("{{.On}} {{.Off}}", "true false"),
        ("{{.List}} {{.Labels}}", "[a b c] map[a:first com.x:dotted z:last]"),
        ("{{.Nodes}}", "[map[Name:n1 Up:true] map[Name:n2 Up:false]]"),
        ("{{.Spec.Null}}{{.None}}{{.NoMap}}", "<no value>[]map[]"),
    ]);
}

#[test]
fn literals() {
    check(&[
        (r#"{{"a\tb\"\\\u00e9\x41"}}"#, "a\tb\"\\éA"),
        ("{{`raw \\n`}}", "raw \\n"),
        (
            "{{12}} {{-3}} {{0x1F}} {{1_000}} {{1.5}} {{1e3}} {{'a'}} {{true}}",
            "12 -3 31 1000 1.5 1000 97 true",
        ),
    ]);
}

#[test]
fn trimming_and_comments() {
    check(&[
        ("a {{- .Name -}} b", "awebb"),
        ("a\n  {{- .Name}} b", "aweb b"),
        ("a {{.Name -}}\n\n b", "a webb"),
        ("a {{/* no {{.Name}} */}} b", "a  b"),
        ("a {{- /* no */ -}} b", "ab"),
        ("{{- 3}}", "3"),
        ("{{-3}}", "-3"),
        ("{{\n.Name\n}}", "web"),
    ]);
}

#[test]
fn conditions() {
    check(&[
        ("{{if .On}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Off}}yes{{else}}no{{end}}", "no"),
        ("{{if .Zero}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{if .Zero}}a{{else if .Empty}}b{{else}}c{{end}}", "c"),
        (
            "{{if .None}}1{{end}}{{if .NoMap}}2{{end}}{{if .Null}}3{{end}}{{if .Nothing}}4{{end}}",
            "",
        ),
        ("{{if .List}}1{{end}}{{if .Labels}}2{{end}}{{if .Half}}3{{end}}", "123"),
        ("{{with .Spec.Mode}}{{.Replicated.Replicas}}{{end}}", "5"),
        ("{{with .Nothing}}a{{else}}{{.Name}}{{end}}", "web"),
        ("{{with .Nothing}}a{{else with .List}}{{len .}}{{end}}", "3"),
        ("{{with $x := .Name}}{{$x}}{{.}}{{end}}", "webweb"),
    ]);
}

#[test]
fn ranges() {
    check(&[
        ("{{range .List}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=first;com.x=dotted;z=last;"),
        ("{{range $e := .List}}{{$e}}{{$.Name}}{{end}}", "awebbwebcweb"),
        ("{{range .None}}a{{else}}none{{end}}", "none"),
        ("{{range .Nothing}}a{{else}}none{{end}}", "none"),
        ("{{range .Nodes}}{{if .Up}}{{.Name}}{{end}}{{end}}", "n1"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .Nodes}}{{println .Name}}{{end}}", "n1\nn2\n"),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("{{$x := .Name}}{{$x}}", "web"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$n := .Spec}}{{$n.Mode.Replicated.Replicas}}", "5"),
        ("{{$x := 0}}{{range .Numbers}}{{if gt . $x}}{{$x = .}}{{end}}{{end}}{{$x}}", "3"),
    ]);
}

#[test]
fn gos_functions() {
    check(&[
        ("{{len .Name}} {{len .List}} {{len .Labels}}", "3 3 3"),
        (r#"{{index .Labels "com.x"}}"#, "dotted"),
        (r#"[{{index .Labels "nothing"}}]"#, "[]"),
        ("{{index .List 1}} {{index .Nodes 0 \"Name\"}}", "b n1"),
        ("{{slice .Name 1}} {{slice .Name 0 2}} {{slice .List 1 3}}", "eb we [b c]"),
        ("{{eq .Name \"web\"}} {{ne .Replicas 3}} {{eq .Whole 2}}", "true false true"),
        ("{{eq .Name \"a\" \"b\" \"web\"}} {{eq .Nothing \"a\"}}", "true false"),
        ("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2}}", "true true true false"),
        (
            "{{and .On .Name}} {{and .Off .Name}} {{or .Empty .Name}} {{not .Off}}",
            "web false web true",
        ),
        ("{{or .On (index .List 9)}} {{and .Off (index .List 9)}}", "true false"),
        ("{{print 1 2 \"a\" 3 4}} {{println \"a\" 1}}", "1 2a3 4 a 1\n"),
        ("{{print .Null .Nothing}}", "<nil> <nil>"),
        ("{{.Name | printf \"%s-%s\" .Name | len}}", "7"),
        ("{{\"x\" | print \"a\" \"b\"}}", "abx"),
    ]);
}

#[test]
fn printf() {
    check(&[
        (
            r#"{{printf "%s is %v of %d, %t %q" .Name .Replicas 5 .On "q\n"}}"#,
            "web is 3 of 5, true \"q\\n\"",
        ),
        (
            r#"{{printf "%5s|%-5s|%05d|%+d|%.2f|%x|%%" "a" "b" 42 7 1.005 255}}"#,
            "    a|b    |00042|+7|1.00|ff|%",
        ),
        (r#"{{printf "%.2s %x %c %T" "abc" "hi" 65 .List}}"#, "ab 6869 A []interface {}"),
        (r#"{{printf "%d %s" "a"}}"#, "%!d(string=a) %!s(MISSING)"),
        (r#"{{printf "a" 1 "b"}}"#, "a%!(EXTRA int=1, string=b)"),
        (r#"{{printf "%"}}"#, "%!(NOVERB)"),
        (r#"{{printf "%v %s %d" .List .List .Numbers}}"#, "[a b c] [a b c] [3 1 2]"),
        (r#"{{printf "%v" .Nothing}}"#, "<nil>"),
        (r#"{{printf "%s" .Null}}"#, "%!s(<nil>)"),
        (r#"{{printf "%-05d|%08.3f|% d" 42 -3.14159 5}}"#, "42   |-003.142| 5"),
    ]);
}

#[test]
fn dockers_functions() {
    check(&[
        ("{{json .Labels}}", r#"{"z":"last","a":"first","com.x":"dotted"}"#),
        ("{{json .Ports}} {{json .Null}} {{json .Whole}}", r#""*:80->80/tcp" null 2.0"#),
        ("{{.Name | json}}", "\"web\""),
        (r#"{{split "a,b,c" ","}} {{index (split "a:b" ":") 1}}"#, "[a b c] b"),
        (r#"{{join .List "-"}} {{join .None "-"}}"#, "a-b-c "),
        (
            r#"{{title "hello wide_world it's"}} {{upper .Name}} {{lower "WEB"}}"#,
            "Hello Wide_world It'S WEB web",
        ),
        (r#"[{{pad .Name 1 2}}] [{{pad "" 5 5}}]"#, "[ web  ] []"),
        ("{{truncate .Name 2}} {{truncate .Name 99}} {{truncate \"é\" 1}}", "we web "),
        (r#"{{range split .Ports "->"}}{{.}} {{end}}"#, "*:80 80/tcp "),
        (r#"{{.Labels "z"}}[{{.Labels "none"}}]"#, "last[]"),
    ]);
}

#[test]
fn templates_that_cannot_be_read() {
    for (template, reason) in [
        ("{{", "unclosed action"),
        ("{{.Name", "unclosed action"),
        ("a\nb{{.Name", "template: :2: unclosed action"),
        ("{{}}", "missing value for command"),
        ("{{foo}}", "function \"foo\" not defined"),
        ("{{.Name | }}", "missing value for command"),
        ("{{if .Name}}", "unexpected EOF"),
        ("{{if}}{{end}}", "missing value for if"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "expected end; found {{else}}"),
        ("{{(.Name}}", "unclosed left paren"),
        ("{{.Name)}}", "unexpected right paren"),
        ("{{\"a}}", "unterminated quoted string"),
        ("{{`a}}", "unterminated raw quoted string"),
        ("{{'ab'}}", "malformed character constant: 'ab'"),
        ("{{$x}}", "undefined variable \"$x\""),
        ("{{if $y := 1}}{{end}}{{$y}}", "undefined variable \"$y\""),
        ("{{$x = 1}}", "undefined variable \"$x\""),
        ("{{1x}}", "bad number syntax: \"1x\""),
        ("{{/* a}}", "unclosed comment"),
        ("{{/* a */ .Name}}", "comment ends before closing delimiter"),
        ("{{.Name : 1}}", "expected :="),
        ("{{.Name ! 1}}", "unexpected \"!\" in command"),
        ("{{1 2}}", "can't give argument to non-function 1"),
        ("{{\"a\".Name}}", "unexpected . after term \"\\\"a\\\"\""),
        ("{{define \"a\"}}{{end}}", "{{define}} is not supported"),
    ] {
        let error = Template::parse(template).expect_err(template).to_string();
        assert!(error.starts_with("template parsing error: template: :"), "{error}");
        assert!(error.ends_with(reason), "{template}: {error}");
    }
}

#[test]
fn templates_that_do_not_fit_the_data() {
    check(&[
        (
            "{{.Name.First}}",
            "template: :1:7: executing \"\" at <.Name.First>: can't evaluate field First in type interface {}",
        ),
        (
            "a\n{{.Null.A}}",
            "template: :2:8: executing \"\" at <.Null.A>: nil pointer evaluating interface {}.A",
        ),
        (
            "{{index .List 9}}",
            "template: :1:2: executing \"\" at <index .List 9>: error calling index: index out of range: 9",
        ),
        (
            "{{len .Replicas}}",
            "template: :1:2: executing \"\" at <len .Replicas>: error calling len: len of type int",
        ),
        (
            "{{json}}",
            "template: :1:2: executing \"\" at <json>: wrong number of args for json: want 1 got 0",
        ),
        (
            "{{eq .Name 1}}",
            "template: :1:2: executing \"\" at <eq .Name 1>: error calling eq: incompatible types for comparison",
        ),
        (
            "{{upper .Replicas}}",
            "template: :1:2: executing \"\" at <upper .Replicas>: wrong type for value; expected string; got int",
        ),
        (
            "{{range .Name}}{{end}}",
            "template: :1:8: executing \"\" at <.Name>: range can't iterate over web",
        ),
        (
            "{{.Name \"x\"}}",
            "template: :1:2: executing \"\" at <.Name>: .Name has arguments but cannot be invoked as function",
        ),
        ("{{nil}}", "template: :1:2: executing \"\" at <nil>: nil is not a command"),
    ]);
}

#[test]
fn a_row_has_exactly_its_fields() {
    let row = json!({"ID": "1", "Ports": "*:80->80/tcp", "Label": {"a": "b"}});
    let render = |template: &str| {
        Template::parse(template)
            .and_then(|template| template.render_strict(&row, "*formatter.serviceContext"))
            .unwrap_or_else(|error| error.to_string())
    };
    for (template, expected) in [
        ("{{.ID}}", "1"),
        (
            "{{.Foo}}",
            "template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.serviceContext",
        ),
        (r#"{{.Label "a"}}{{.Label "c"}}{{.Label.c}}"#, "b<no value>"),
        // Docker's rows escape, their fields alone do not.
        ("{{json .Ports}}", "\"*:80->80/tcp\""),
        ("{{json .}}", r#"{"ID":"1","Ports":"*:80-\u003e80/tcp","Label":{"a":"b"}}"#),
        (
            "{{with $r := .}}{{json $r}}{{end}}",
            r#"{"ID":"1","Ports":"*:80-\u003e80/tcp","Label":{"a":"b"}}"#,
        ),
        (
            "{{range .Label}}{{$.Bar}}{{end}}",
            "template: :1:19: executing \"\" at <$.Bar>: can't evaluate field Bar in type *formatter.serviceContext",
        ),
    ] {
        assert_eq!(render(template), expected, "{template}");
    }
}

#[test]
fn nothing_grows_or_runs_without_bound() {
    let doubling = "{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 100}}{{$x = print $x $x}}{{end}}";
    let ranges = "{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}";
    let output = "{{$x := pad \"a\" 1000000 0}}{{range 1000}}{{$x}}{{end}}";
    for (template, reason) in [
        (doubling, "makes more than 16777216 bytes"),
        (ranges, "takes more than 1000000 steps"),
        (output, "makes more than 16777216 bytes"),
        ("{{pad \"a\" 99999999999 0}}", "makes more than 16777216 bytes"),
        ("{{pad \"a\" -1 0}}", "-1 must not be negative"),
        ("{{range 99999999999}}{{end}}", "too many"),
    ] {
        let error = render(template);
        assert!(error.contains(reason), "{template}: {error}");
    }
    assert_eq!(render("{{printf \"%99999999d\" 1}}"), "%!(BADWIDTH)1");
    for (open, close) in [("(", ")"), ("{{if 1}}", "{{end}}")] {
        let inside = format!("{}1{}", open.repeat(1000), close.repeat(1000));
        let template = if open == "(" { format!("{{{{{inside}}}}}") } else { inside };
        assert!(render(&template).contains("nested deeper than 64"));
    }
    assert!(render(&"a".repeat(100_000)).contains("longer than 65536 bytes"));
}

#[test]
fn garbage_never_panics() {
    let parts = [
        "{{", "}}", "{{-", " -}}", "if", "end", "else", "range", "with", " ", ".", ".A", "$", "$x",
        ":=", "=", "|", "(", ")", ",", "\"", "`", "'", "\\", "1", "-", "e", "json", "index",
        "printf", "%", "\"%d\"", "é", "\n", "/*", "*/", "nil", "true",
    ];
    let mut state = 7_u64;
    for _ in 0..100_000 {
        let mut template = String::from("{{");
        for _ in 0..12 {
            // A plain xorshift: the same garbage in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            template.push_str(parts[state as usize % parts.len()]);
        }
        for template in [template.clone(), template + "}}"] {
            let _ = render(&template);
        }
    }
}
