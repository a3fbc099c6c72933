//! Splits a command as a shell does, by the rules of the library Docker uses (Go's shlex).

/// The words of a command line, or what is wrong with it.
pub fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = text.chars();
    while let Some(first) = chars.find(|c| !is_space(*c)) {
        if first == '#' {
            // A comment, to the end of the line.
            let _ = chars.find(|c| *c == '\n');
            continue;
        }
        words.push(word(first, &mut chars)?);
    }
    Ok(words)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn word(first: char, rest: &mut std::str::Chars<'_>) -> Result<String, &'static str> {
    const OPEN_QUOTE: &str = "EOF found when expecting closing quote";
    const OPEN_ESCAPE: &str = "EOF found after escape character";
    let mut word = String::new();
    let mut next = Some(first);
    while let Some(c) = next {
        match c {
            c if is_space(c) => break,
            '\\' => word.push(rest.next().ok_or(OPEN_ESCAPE)?),
            '\'' => loop {
                match rest.next().ok_or(OPEN_QUOTE)? {
                    '\'' => break,
                    c => word.push(c),
                }
            },
            '"' => loop {
                match rest.next().ok_or(OPEN_QUOTE)? {
                    '"' => break,
                    '\\' => word.push(rest.next().ok_or(OPEN_ESCAPE)?),
                    c => word.push(c),
                }
            },
            c => word.push(c),
        }
        next = rest.next();
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_by_a_shell() {
        let text = r#"sh -c 'echo  hi' "a \"b\"" c\ d '' x#y # comment
            e"f"'g'"#;
        let words = ["sh", "-c", "echo  hi", "a \"b\"", "c d", "", "x#y", "efg"];
        assert_eq!(split(text), Ok(words.map(str::to_owned).to_vec()));
        assert_eq!(split(" \n"), Ok(vec![]));
        assert_eq!(split("a 'b"), Err("EOF found when expecting closing quote"));
        assert_eq!(split("a \\"), Err("EOF found after escape character"));
    }
}
