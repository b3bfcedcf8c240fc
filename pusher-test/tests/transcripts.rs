//! Transcripts are read, played, blessed and shortened.

use pusher_proto::{Action, Client, Config, Frame, Instant, with_causes};
use pusher_test::story::Story;
use pusher_test::transcript::{Embedding, Failure, Input, Line, Refusal, Transcript, WrittenEndpoint};

/// A runtime that forgets to pass on pings of the server.
struct Forgetful(Client);

impl Forgetful {
    fn new() -> Self {
        Self(Client::new(Config::new("any", "ws://localhost").expect("a configuration"), 0))
    }
}

impl Embedding for Forgetful {
    fn start(&mut self, config: Config, seed: u64) {
        self.0 = Client::new(config, seed);
    }

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Refusal> {
        match input {
            Input::Frame(_, Frame::Text(text)) if text.contains("pusher:ping") => Ok(()),
            other => other.give(&mut self.0, now),
        }
    }

    fn poll(&mut self, now: Instant) -> Option<Action> {
        self.0.poll_action(now)
    }

    fn look<T>(&self, at: impl FnOnce(&Client) -> T) -> T {
        at(&self.0)
    }
}

const LONG: &str = "\
# a server pings
# the second one is lost
= pong_timeout 8s
! connected
! subscribe chat
> {\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"chat\"}}
+ 1.5s
< {\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"chat\"}
* subscription_succeeded chat
< {\"event\":\"pusher:ping\",\"data\":{}}
> {\"event\":\"pusher:pong\",\"data\":{}}
<1 dropped
* error dropped without a close frame
* waiting attempt=1 1s..2s: dropped without a close frame
";

#[test]
fn a_blessed_transcript_is_read_played_and_blessed_to_itself() {
    let transcript = Transcript::parse(LONG).expect("it is a transcript");
    assert_eq!(transcript.play(), Ok(()));
    assert_eq!((transcript.bless(), transcript.to_string()), (Ok(LONG.to_owned()), LONG.to_owned()));
    let without_outputs: Vec<&str> = LONG.lines().filter(|line| !line.starts_with(['>', '*'])).collect();
    let blessed = Transcript::parse(&without_outputs.join("\n")).expect("it is a transcript").bless();
    assert_eq!(blessed, Ok(LONG.to_owned()));
}

#[test]
fn a_transcript_fails_where_an_embedding_differs_and_names_the_line() {
    let transcript = Transcript::parse(LONG).expect("it is a transcript");
    assert_eq!(transcript.play_with(&mut Client::new(Config::new("k", "ws://h").expect("a configuration"), 9)), Ok(()));
    let expected = Failure::Differs {
        line: 10,
        input: r#"< {"event":"pusher:ping","data":{}}"#.to_owned(),
        expected: vec![r#"> {"event":"pusher:pong","data":{}}"#.to_owned()],
        happened: vec![],
    };
    assert_eq!(transcript.play_with(&mut Forgetful::new()), Err(expected));
}

#[test]
fn a_failure_of_a_story_has_the_number_of_the_line_that_is_printed() {
    let ping = r#"< {"event":"pusher:ping"}"#;
    let story = |last: &str| {
        let lines = ["! connected", "! subscribe chat", "! subscribe news", "! auth #1 timeout", last];
        Story::new(lines.map(|line| line.parse().expect(line)))
    };
    let (story, long) = (story(ping), story("+ 200s"));
    let failure = story.compare(&mut Forgetful::new()).expect_err("the pong is missing");
    // Two outputs more and an input less than in the story, since no authorization is requested.
    let printed = story.to_string();
    let number = printed.lines().position(|line| line == ping).expect("the ping is printed") + 1;
    assert_eq!((failure.line(), number), (7, 7), "{printed}");
    let failure = long.play_with(&mut Timeless(Forgetful::new()), |_, _| ()).expect_err("no timer fires");
    assert!(matches!(&failure, Failure::Broken { line: 7, .. }), "{failure}");
}

/// A runtime whose timers never fire.
struct Timeless(Forgetful);

impl Embedding for Timeless {
    fn start(&mut self, config: Config, seed: u64) {
        self.0.start(config, seed);
    }

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Refusal> {
        if matches!(input, Input::Timeout) { Ok(()) } else { self.0.handle(input, now) }
    }

    fn poll(&mut self, now: Instant) -> Option<Action> {
        self.0.poll(now)
    }

    fn look<T>(&self, at: impl FnOnce(&Client) -> T) -> T {
        self.0.look(at)
    }
}

#[test]
fn shrinking_finds_the_fewest_lines_that_fail() {
    let long = Transcript::parse(LONG).expect("it is a transcript");
    let mut calls = 0;
    let short = long.shrink(|transcript| {
        calls += 1;
        transcript.compare(&mut Forgetful::new()).is_err()
    });
    let lines: Vec<String> = short.lines().map(ToString::to_string).collect();
    assert_eq!(lines, ["! connected", r#"< {"event":"pusher:ping","data":{}}"#]);
    assert!(calls < 40, "{calls}");
}

#[test]
fn shrinking_ends_after_a_bounded_number_of_calls() {
    let lines = (0..3_000).map(|_| Line::Connected);
    let mut calls = 0;
    let short = Transcript::new("every line is needed", lines).shrink(|_| {
        calls += 1;
        false
    });
    assert_eq!((short.lines().len(), calls), (3_000, 3_000));
}

#[test]
fn errors_name_the_line_and_what_is_wrong_with_it() {
    let cases = [
        ("! connect", "line 1 is not valid: expected `# TITLE`, since a transcript begins with its title"),
        ("", "line 1 is not valid: expected `# TITLE`, since a transcript begins with its title"),
        (
            "# a\n! connect\n\n# b\n! connect",
            "line 4 is not valid: a second transcript begins; `parse_all` reads several",
        ),
        ("# a\n! conect", "line 2 is not valid: \"conect\" is not a call"),
        ("# a\n! connect & subscribe ", "line 2 is not valid: a name must not be empty"),
        ("# a\n! trigger chat typing {}", "line 2 is not valid: the name of a client event must start with client-"),
        ("# a\n! auth #0 200 {}", "line 2 is not valid: expected `auth #N ANSWER`"),
        ("# a\n! auth #1 ok {}", "line 2 is not valid: \"ok\" is not an HTTP status"),
        ("# a\n\n+ 5 years", "line 3 is not valid: \"5 years\" is not a duration"),
        ("# a\n< repeat 10001 x", "line 2 is not valid: expected `repeat N FRAME` with N at most 10000"),
        ("# a\n< closed soon", "line 2 is not valid: \"soon\" is not a close code"),
        ("# a\n* connected", "line 2 is not valid: an output must follow an input"),
        ("# a\n! connect\n#", "line 3 is not valid: expected `# TEXT`"),
        ("# a\n! switch KEY", "line 2 is not valid: expected `switch KEY URL`"),
        ("# a\n! trigger chat client-e", "line 2 is not valid: expected `trigger CHANNEL EVENT JSON`"),
        ("# a\n< established 1.1 x", "line 2 is not valid: expected `established ID [SECONDS]`"),
        ("# a\n< skipped x", "line 2 is not valid: expected `skipped BYTES`"),
        ("# a\n< text x", "line 2 is not valid: expected `text \"JSON string\"`"),
        ("# a\n= fatal_codes x", "line 2 is not valid: expected close codes with spaces between them"),
        ("# a\n? what", "line 2 is not valid: '?' does not begin a line of a transcript"),
        ("# a\n= pace 7\n! connect", "line 2 is not valid: \"pace\" is not an option"),
        ("# a\n= seed x", "line 2 is not valid: \"x\" is not a seed"),
        ("# a\n= endpoint a cluster eu", "line 2 is not valid: \"a cluster eu\" is not an endpoint"),
        ("# a\n= endpoint ws://a wss_port x", "line 2 is not valid: \"x\" is not a port"),
        ("# a\n= strict_names maybe", "line 2 is not valid: \"maybe\" is neither ignore, warn nor refuse"),
        ("# a\n= presence_by_signin yes", "line 2 is not valid: \"yes\" is neither true nor false"),
        (
            "# a\n< failed http 503 retry-after=soon",
            "line 2 is not valid: expected `failed http STATUS [retry-after=SECONDS]`",
        ),
        ("# a\n=\n", "line 2 is not valid: expected `= NAME VALUE`"),
    ];
    for (text, expected) in cases {
        let error = Transcript::parse(text).expect_err(text);
        assert_eq!(with_causes(&error).to_string(), expected, "{text}");
    }
}

#[test]
fn a_written_endpoint_stays_in_its_call() {
    for text in ["cluster us2", "ws://h:80/prefix", "ws://h wss_port 443"] {
        let written: WrittenEndpoint = text.parse().expect(text);
        assert_eq!(written.to_string(), text);
    }
    for text in ["cluster us2 & connect", "cluster us2\n! connect", "nowhere at all"] {
        assert!(text.parse::<WrittenEndpoint>().is_err(), "{text:?}");
    }
}

#[test]
fn a_delay_that_a_server_asks_for_is_blessed_as_a_range_around_it() {
    let text = "# a\n! connected\n! subscribe private-a\n! auth #1 503 retry-after=100";
    let blessed = Transcript::parse(text).expect("it is a transcript").bless().expect("it can be played");
    assert!(blessed.contains("* retry private-a 100s..101s: "), "{blessed}");
    assert_eq!(Transcript::parse(&blessed).expect("it is a transcript").play(), Ok(()));
}

#[test]
fn a_line_that_cannot_be_played_is_named() {
    let cases = [
        ("# a\n! name\n* initialized\n< open", 4, "no such socket was asked for"),
        ("# a\n! auth #1 timeout", 2, "no authorization #1 is requested"),
        ("# a\n+ retry", 2, "the client does not wait for a retry"),
    ];
    for (text, expected, why) in cases {
        let transcript = Transcript::parse(text).expect(text);
        let Err(Failure::Impossible { line, reason, .. }) = transcript.play() else { panic!("{text} was played") };
        assert_eq!((line, reason.as_str()), (expected, why));
        assert_eq!(transcript.compare(&mut Forgetful::new()), Ok(()), "it is passed over");
    }
}

/// The order of `drain` and of the timers is that of the session, so the client sends the same at the same place.
#[test]
fn a_recorded_session_sends_what_it_sent() {
    let recording = include_str!("sessions/chat.txt");
    let blessed = Transcript::from_recording(recording).expect("it is a recording").bless().expect("it can be played");
    let sent = |text: &str| text.lines().filter(|line| line.starts_with("> ")).map(str::to_owned).collect::<Vec<_>>();
    assert!(sent(recording).len() > 3);
    assert_eq!(sent(&blessed), sent(recording));
    let events = recording.lines().filter(|line| line.starts_with('*') && line.contains(r#""event":"message""#));
    assert_eq!(blessed.matches("* event chat message").count(), events.count());
    assert_eq!(Transcript::parse(&blessed).expect("it is a transcript").play(), Ok(()));
}

#[test]
fn a_damaged_recording_is_refused_with_the_line() {
    let cases = [
        ("", "line 1 is not valid: a recording must begin with \"pusher recording 1\""),
        ("pusher recording 1\n= secret x", "line 2 is not valid: \"secret\" is not an option of a recording"),
        (
            "pusher recording 1\n= server ws://h\n1.000000 ! connect\n0.500000 +",
            "line 4 is not valid: earlier than the input before",
        ),
        ("pusher recording 1\n= server ws://h\n1.0 +", "line 3 is not valid: \"1.0\" is not a time such as 12.345678"),
        (
            "pusher recording 1\n= server ws://h\n1.000000 < end \"soon\"",
            "line 3 is not valid: the JSON is not that of a recording",
        ),
        (
            "pusher recording 1\n= server ws://h\n1.000000 ! auth #1 {\"ok\":",
            "line 3 is not valid: EOF while parsing a value at line 1 column 6",
        ),
        ("pusher recording 1\nwhat", "line 2 is not valid: it does not begin a line of a recording"),
    ];
    for (text, expected) in cases {
        let error = Transcript::from_recording(text).expect_err(text);
        assert_eq!(with_causes(&error).to_string(), expected);
    }
}
