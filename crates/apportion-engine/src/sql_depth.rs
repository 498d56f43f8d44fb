//! How deep SQL that a person wrote may be.
//!
//! A chain such as `a OR b OR c …` becomes a tree as deep as it is long, and what parses, plans and evaluates
//! trees goes down them on the stack: some ten thousand terms end the process without a word. So the depth is
//! counted in the tokens, before there is a tree. Long lists, many arms of a CASE and many arguments are flat and
//! as long as they like.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Operators that may stand above one another.
const MOST: usize = 1_000;

/// Refuses SQL whose tree would be too deep; the reason says where.
///
/// # Errors
/// The reason, in the user's words. What cannot be read at all is left to the parser.
pub fn refuse_too_deep(sql: &str) -> Result<(), String> {
    let mut depth = Depth { levels: vec![Level::default()] };
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else { return Ok(()) };
    for TokenWithSpan { token, span } in &tokens {
        depth.pass(token);
        if depth.total() > MOST {
            let Location { line, column } = span.start;
            return Err(format!(
                "more than {MOST} operators, joins or brackets depend on one another, the first beyond at line {line}, \
                 column {column}; write a long list as `x IN ('a', 'b')`"
            ));
        }
    }
    Ok(())
}

/// What is open: parentheses, brackets and CASE.
struct Depth {
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    /// Operators since the last comma.
    operators: usize,
    /// Joins and unions, which a comma does not end.
    relations: usize,
}

impl Depth {
    fn total(&self) -> usize {
        self.levels.iter().map(|level| 1 + level.operators + level.relations).sum()
    }

    fn pass(&mut self, token: &Token) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => self.levels.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace => self.close(),
            Token::Comma => self.next(),
            Token::SemiColon => self.levels = vec![Level::default()],
            Token::Word(word) => self.word(word.keyword),
            Token::Whitespace(_) | Token::EOF | Token::Period | Token::Placeholder(_) | Token::Number(..) => {}
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::NationalStringLiteral(_) => {}
            _ => self.count(|level| &mut level.operators),
        }
    }

    fn word(&mut self, keyword: Keyword) {
        match keyword {
            Keyword::CASE => self.levels.push(Level::default()),
            Keyword::END => self.close(),
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE | Keyword::SELECT | Keyword::FROM | Keyword::WHERE => {
                self.next()
            }
            Keyword::AND
            | Keyword::OR
            | Keyword::XOR
            | Keyword::NOT
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::IS
            | Keyword::IN
            | Keyword::BETWEEN => self.count(|level| &mut level.operators),
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => {
                self.count(|level| &mut level.relations)
            }
            _ => {}
        }
    }

    fn count(&mut self, of: impl FnOnce(&mut Level) -> &mut usize) {
        if let Some(level) = self.levels.last_mut() {
            *of(level) += 1;
        }
    }

    fn next(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.operators = 0;
        }
    }

    fn close(&mut self) {
        if self.levels.len() > 1 {
            self.levels.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(count: usize, lead: &str, part: &str) -> String {
        format!("{lead}{}", part.repeat(count))
    }

    #[test]
    fn what_is_deep_is_refused_with_its_place() {
        let long = repeated(10_000, "a = 1", " OR a = 1");
        let reason = refuse_too_deep(&long).unwrap_err();
        assert!(reason.contains("at line 1, column 4498"), "{reason}");
        for sql in [
            repeated(10_000, "1", "+1"),
            repeated(10_000, "", "("),
            repeated(10_000, "", "NOT "),
            repeated(10_000, "", "- "),
            repeated(10_000, "x", "[1"),
            repeated(10_000, "", "CASE WHEN "),
            repeated(10_000, "SELECT 1, 2", " UNION ALL SELECT 1, 2"),
            repeated(10_000, "SELECT 1 FROM a", " JOIN a ON true"),
            repeated(10_000, "x", "::text"),
            repeated(400, "", "(1 + 1 + "),
        ] {
            assert!(refuse_too_deep(&sql).is_err(), "{}…", sql.get(..40).unwrap_or(&sql));
        }
    }

    #[test]
    fn what_is_long_and_flat_is_not() {
        let arms = repeated(10_000, "CASE", " WHEN SubAccountId = 'a' AND x > 1 THEN 'team'") + " ELSE 'none' END";
        let list = format!("x IN ({})", repeated(10_000, "'a'", ", 'a'"));
        let calls = format!("coalesce({})", repeated(10_000, "a || 'b'", ", a || 'b'"));
        for sql in [
            arms,
            list,
            calls,
            repeated(300, "a = 1", " OR a = 1"),
            "select 'it''s' from".to_owned(),
            "'open".to_owned(),
        ] {
            assert_eq!(refuse_too_deep(&sql), Ok(()), "{}…", sql.get(..40).unwrap_or(&sql));
        }
    }
}
