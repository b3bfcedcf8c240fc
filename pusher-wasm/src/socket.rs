//! The browser's WebSocket.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::{Array, JsString, Uint8Array};
use pusher_driver::adapter::{Received, Socket};
use pusher_proto::{CloseFrame, CloseReason, ConnectRequest, Frame, Text, TransportError};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, Blob, CloseEvent, Event, MessageEvent};

use crate::browser::message;

/// A WebSocket of the browser.
pub(crate) struct WebSocket(SendWrapper<Inner>);

struct Inner {
    socket: web_sys::WebSocket,
    state: Rc<RefCell<State>>,
    /// Called by the browser until this value is dropped.
    _listener: Closure<dyn FnMut(Event)>,
}

/// What the browser has reported.
#[derive(Default)]
struct State {
    opened: bool,
    /// Holds about one message: the loop runs between two events of the browser, as a microtask.
    received: VecDeque<Received>,
    closed: Option<CloseReason>,
    waker: Option<Waker>,
}

impl WebSocket {
    /// Starts to open a socket.
    pub(crate) fn open(request: &ConnectRequest, max_len: usize) -> Result<Self, CloseReason> {
        if !request.headers.is_empty() {
            return Err(failed("a browser does not allow headers for a WebSocket".into()));
        }
        let socket = web_sys::WebSocket::new(&request.url()).map_err(|error| failed(message(&error)))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let state = Rc::<RefCell<State>>::default();
        let shared = Rc::clone(&state);
        let listener = Closure::<dyn FnMut(Event)>::new(move |event| {
            let waker = shared.borrow_mut().handle(&event, max_len);
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let function = listener.as_ref().unchecked_ref();
        socket.set_onopen(Some(function));
        socket.set_onmessage(Some(function));
        socket.set_onclose(Some(function));
        Ok(Self(SendWrapper::new(Inner { socket, state, _listener: listener })))
    }

    /// Completes when the socket is open.
    pub(crate) fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.wait(context, |state| if state.opened { Some(Ok(())) } else { state.closed.clone().map(Err) })
    }

    fn wait<T>(&self, context: &Context<'_>, ready: impl FnOnce(&mut State) -> Option<T>) -> Poll<T> {
        let mut state = self.0.state.borrow_mut();
        match ready(&mut state) {
            Some(ready) => Poll::Ready(ready),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    fn handle(&mut self, event: &Event, max_len: usize) -> Option<Waker> {
        if let Some(event) = event.dyn_ref::<MessageEvent>() {
            self.received.push_back(received(&event.data(), max_len));
        } else if let Some(event) = event.dyn_ref::<CloseEvent>() {
            self.closed = Some(self.close_reason(event));
        } else {
            self.opened = true;
        }
        self.waker.take()
    }

    fn close_reason(&self, event: &CloseEvent) -> CloseReason {
        match event.code() {
            // Browsers hide the cause from pages, and write it to the console.
            ABNORMAL if !self.opened => failed("the browser could not open the WebSocket".into()),
            ABNORMAL => CloseReason::Dropped,
            NO_STATUS => CloseReason::Closed(None),
            code => CloseReason::Closed(Some(CloseFrame::new(code, event.reason()))),
        }
    }
}

impl Socket for WebSocket {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let closed = |state: &State| state.closed.clone().map(Received::Closed);
        self.wait(context, |state| state.received.pop_front().or_else(|| closed(state)))
    }

    fn next_ready(&mut self) -> Option<Received> {
        self.0.state.borrow_mut().received.pop_front()
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        if self.0.socket.buffered_amount() > MAX_BUFFERED {
            return Err(failed("the server does not read".into()));
        }
        self.0.socket.send_with_str(&text).map_err(|_| CloseReason::Dropped)
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, frame: CloseFrame) {
        let closed = self.0.socket.close_with_code_and_reason(frame.code, &frame.reason);
        // Pages may use only 1000 and the codes from 3000 to 4999.
        let _ = closed.or_else(|_| self.0.socket.close());
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.wait(context, |state| state.closed.is_some().then_some(()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

fn received(data: &JsValue, max_len: usize) -> Received {
    if let Some(text) = data.dyn_ref::<JsString>() {
        // A text has at least as many bytes as UTF-16 units. A longer one is not copied to the module's memory.
        if text.length() as usize > max_len {
            let blob = Blob::new_with_str_sequence(&Array::of1(text));
            return Received::Skipped(blob.map_or(text.length().into(), |blob| blob.size() as u64));
        }
        return Received::Frame(Frame::Text(String::from(text).into()));
    }
    let bytes = Uint8Array::new(data);
    if bytes.length() as usize > max_len {
        return Received::Skipped(bytes.length().into());
    }
    Received::Frame(Frame::Binary(bytes.to_vec().into()))
}

fn failed(reason: String) -> CloseReason {
    CloseReason::Failed(TransportError::Io(reason))
}

/// What browsers report if there was no close frame, or one without a code (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;
const NO_STATUS: u16 = 1005;

/// The most bytes that may wait for a server that does not read: 16 MiB, as in the other adapters.
const MAX_BUFFERED: u32 = 16 * 1_024 * 1_024;
