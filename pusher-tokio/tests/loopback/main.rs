//! The whole stack, over real sockets, against the development server.

#[cfg(test)]
mod channels;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod support;
