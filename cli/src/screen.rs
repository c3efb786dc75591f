//! What a person sees: plain lines in a pipe; colour and one line that moves on a terminal.

use std::io::{self, IsTerminal, Stdout, Write};

/// The person's end of the command.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    terminal: bool,
    colour: bool,
    /// A moving line stands at the cursor.
    moving: bool,
    turns: usize,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A heading.
    Title,
    /// What goes.
    Old,
    /// What comes.
    New,
    /// What need not be read.
    Faint,
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn new() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = terminal && !dumb && !set("NO_COLOR");
        Self { out, terminal: terminal && !dumb, colour, moving: false, turns: 0 }
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.clear()?;
        writeln!(self.out, "{}", text.as_ref())?;
        self.out.flush()
    }

    /// Writes one line in `style`.
    pub(crate) fn styled(&mut self, style: Style, text: impl AsRef<str>) -> io::Result<()> {
        let painted = self.paint(style, text.as_ref());
        self.line(painted)
    }

    /// Writes one line of text that a file may have brought: nothing in it commands the terminal.
    pub(crate) fn plain(&mut self, text: &str) -> io::Result<()> {
        self.line(harmless(text))
    }

    /// The same, for what need not be read.
    pub(crate) fn faint(&mut self, text: &str) -> io::Result<()> {
        self.pieces(&[(Style::Faint, text)])
    }

    /// Writes one line that begins with a word in `style`.
    pub(crate) fn marked(&mut self, style: Style, word: &str, text: &str) -> io::Result<()> {
        let word = self.paint(style, &format!("{word:<MARK$}"));
        self.line(format!("  {word}{}", harmless(text)))
    }

    /// Writes one line of several pieces, each in its style.
    pub(crate) fn pieces(&mut self, pieces: &[(Style, &str)]) -> io::Result<()> {
        let paint = |(style, text): &(Style, &str)| self.paint(*style, &harmless(text));
        let line: String = pieces.iter().map(paint).collect();
        self.line(line.trim_end())
    }

    /// Writes an empty line and a heading.
    pub(crate) fn title(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.line("")?;
        self.styled(Style::Title, text)
    }

    /// Writes `text` in `style`, broken into lines, each after `indent`.
    pub(crate) fn paragraph(&mut self, style: Style, indent: &str, text: &str) -> io::Result<()> {
        for line in wrapped(text, WIDTH - indent.len()) {
            self.styled(style, format!("{indent}{}", harmless(&line)))?;
        }
        Ok(())
    }

    /// Says what is going on in a line that moves, or nothing where lines cannot move.
    pub(crate) fn progress(&mut self, what: &str) -> io::Result<()> {
        if !self.terminal {
            return Ok(());
        }
        let wheel = WHEEL[self.turns % WHEEL.len()];
        self.turns += 1;
        self.moving = true;
        let text: String = format!("{wheel} {what}").chars().take(WIDTH - 2).collect();
        write!(self.out, "\r\x1b[2K  {text}")?;
        self.out.flush()
    }

    /// Writes a line that says what takes a while; on a terminal a moving line says it better.
    pub(crate) fn patience(&mut self, text: &str) -> io::Result<()> {
        if self.terminal { Ok(()) } else { self.line(text) }
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.moving) {
            write!(self.out, "\r\x1b[2K")?;
        }
        Ok(())
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Title => "1",
            Style::Old => "31",
            Style::New => "32",
            Style::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // An error message must not start behind a moving line; nobody is left to be told.
        let _ = self.clear();
        let _ = self.out.flush();
    }
}

/// `text` in lines of at most `width`, except where one word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` with control characters spelt out.
pub(crate) fn harmless(text: &str) -> String {
    let spell = |letter: char| match letter {
        _ if letter.is_control() => letter.escape_default().to_string(),
        _ => letter.to_string(),
    };
    text.chars().map(spell).collect()
}

/// The room that the word before a line takes.
const MARK: usize = 19;

/// Fits every terminal that anybody has.
const WIDTH: usize = 78;

const WHEEL: [char; 4] = ['|', '/', '-', '\\'];

#[cfg(test)]
mod tests {
    use super::{harmless, wrapped};

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}"), "a\\u{1b}[2Jb\\u{9b}");
    }

    #[test]
    fn lines_break_between_words_and_nowhere_else() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path b", 5), ["a", "/very/long/path", "b"]);
    }
}
