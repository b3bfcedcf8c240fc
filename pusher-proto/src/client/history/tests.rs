use alloc::vec::Vec;

use super::*;

/// One request at a time has the place of the one that is answered next; those behind it wait.
#[derive(Debug, Default)]
struct Reference {
    last: u64,
    place: Option<Place>,
    waiting: Vec<(u64, &'static str)>,
}

#[derive(Debug)]
struct Place {
    id: u64,
    channel: &'static str,
    until: u64,
    /// Whether the application still waits for the outcome.
    is_awaited: bool,
}

impl Reference {
    /// Returns the requests that fail: the one with the place, if it is about it and waits, before the others.
    fn fail(&mut self, of_place: bool, of_waiting: impl Fn(&str) -> bool) -> Vec<u64> {
        let place = self.place.as_mut().filter(|place| of_place && place.is_awaited);
        let mut told: Vec<_> = place
            .map(|place| {
                place.is_awaited = false;
                place.id
            })
            .into_iter()
            .collect();
        told.extend(self.waiting.iter().filter(|(_, channel)| of_waiting(channel)).map(|(id, _)| *id));
        self.waiting.retain(|(_, channel)| !of_waiting(channel));
        told
    }
}

fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).unwrap()
}

fn at(secs: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(secs)
}

#[test]
fn answers_belong_to_what_was_sent_in_every_order_of_steps() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..10_000 {
        let (mut history, mut outbox) = (History::default(), Outbox::new(100));
        let (mut reference, mut now) = (Reference::default(), 0);
        for _ in 0..30 {
            let channel = ["a", "b"][random.usize(0..2)];
            let (mut told, mut reason) = (Vec::new(), HistoryError::Timeout);
            match random.usize(0..12) {
                0..=2 => {
                    reference.last += 1;
                    reference.waiting.push((reference.last, channel));
                    assert_eq!(history.push(name(channel), HistoryQuery::default()), Ok(HistoryId(reference.last)));
                }
                3 | 4 => {
                    let is_next = reference.place.is_none() && !reference.waiting.is_empty();
                    let sent = history.poll_send(at(now));
                    let next = is_next.then(|| reference.waiting.remove(0));
                    assert_eq!(sent, next.map(|(_, channel)| history::request(channel, &HistoryQuery::default())));
                    if let Some((id, channel)) = next {
                        reference.place = Some(Place { id, channel, until: now + 10, is_awaited: true });
                    }
                }
                5 | 6 => {
                    let answered = history.take_answered(channel).map(|request| (request.id, request.channel));
                    let place = reference.place.take_if(|place| place.channel == channel);
                    let awaited = place.filter(|place| place.is_awaited);
                    assert_eq!(answered, awaited.map(|place| (HistoryId(place.id), name(place.channel))));
                }
                7 | 8 => {
                    let message = ["No history for you", "slow down"][random.usize(0..2)];
                    let error = ServerError { code: Some(4000), message: message.into() };
                    let is_answer = message.contains("history") && reference.place.is_some();
                    assert_eq!(history.handle_error(&error, false, &mut outbox), is_answer);
                    if is_answer {
                        told = reference.fail(true, |_| false);
                        reason = HistoryError::Refused(error);
                        reference.place = None;
                    }
                }
                9 => {
                    now += [1, 5, 10, 40][random.usize(0..4)];
                    history.handle_timeout(at(now), &mut outbox);
                    match &mut reference.place {
                        Some(place) if place.until <= now && place.is_awaited => {
                            // As long as before, so that its late answer is not taken for another one.
                            place.until = now + 10;
                            told = reference.fail(true, |_| true);
                        }
                        Some(place) if place.until <= now => reference.place = None,
                        Some(_) | None => {}
                    }
                }
                10 => {
                    history.retain(|wanted| wanted.as_str() == channel, &mut outbox);
                    let of_place = reference.place.as_ref().is_some_and(|place| place.channel != channel);
                    told = reference.fail(of_place, |other| other != channel);
                    reason = HistoryError::NotSubscribed;
                }
                _ => {
                    history.leave(&mut outbox);
                    told = reference.fail(true, |_| true);
                    reason = HistoryError::NotConnected;
                    reference.place = None;
                }
            }
            let events: Vec<_> = core::iter::from_fn(|| outbox.poll_event()).collect();
            let ids: Vec<_> = events
                .iter()
                .map(|event| match event {
                    Event::History { id, result: Err(error), .. } if *error == reason => id.0,
                    other => panic!("{other:?} instead of {reason:?}"),
                })
                .collect();
            assert_eq!(ids, told);
            assert_eq!(history.deadline(), reference.place.as_ref().map(|place| at(place.until)));
        }
    }
}

#[test]
fn at_most_64_requests_wait_for_the_one_before() {
    let mut history = History::default();
    for _ in 0..64 {
        assert!(history.push(name("a"), HistoryQuery::default()).is_ok());
    }
    assert_eq!(history.push(name("a"), HistoryQuery::default()), Err(HistoryError::QueueFull));
    assert!(history.poll_send(at(0)).is_some());
    assert!(history.push(name("a"), HistoryQuery::default()).is_ok());
}
