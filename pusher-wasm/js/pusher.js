// The Pusher Channels client of `pusher-wasm`, with the names of pusher-js.
//
//     import init, { Pusher } from "./pusher.js";
//     await init();
//     const pusher = new Pusher("app-key", { cluster: "eu" });

import init, { Core } from "./pusher_wasm.js";

/** Loads the module. Call it once, before the first `new Pusher`; a URL or the bytes of the module may be given. */
export default init;

/** Calls functions for events. */
class Emitter {
  #bindings = [];

  /** Calls a function with the data of each event of this name. */
  bind(event, callback, context) {
    this.#bindings.push({ event, callback, context });
    return this;
  }

  /** Calls a function with the name and the data of each event. */
  bind_global(callback, context) {
    return this.bind(undefined, callback, context);
  }

  /** Removes the functions of all events, or of this event, or only this function. */
  unbind(event, callback) {
    return this.#remove((bound) => bound.event !== undefined && (event ?? bound.event) === bound.event, callback);
  }

  /** Removes the functions of `bind_global`, or only this function. */
  unbind_global(callback) {
    return this.#remove((bound) => bound.event === undefined, callback);
  }

  /** Removes all functions. */
  unbind_all() {
    return this.#remove(() => true);
  }

  #remove(isMeant, callback) {
    this.#bindings = this.#bindings.filter((bound) => !isMeant(bound) || (callback ?? bound.callback) !== bound.callback);
    return this;
  }

  /** Only for this file. What a function throws is reported and does not affect the others. */
  _emit(event, data, metadata) {
    for (const bound of this.#bindings) {
      const args = bound.event === undefined ? [event, data] : metadata === undefined ? [data] : [data, metadata];
      try {
        if ((bound.event ?? event) === event) bound.callback.apply(bound.context ?? globalThis, args);
      } catch (error) {
        globalThis.reportError?.(error);
      }
    }
  }
}

/** A client. It connects at once, and stays connected until `disconnect`. */
export class Pusher extends Emitter {
  #core;
  #channels = new Map();
  connection = new Connection();
  user = new User();

  constructor(key, options) {
    super();
    if (!options?.cluster && !options?.wsHost) throw new Error("the options need a cluster or a wsHost");
    this.#core = new Core(key, new Host(options, (...event) => this.#handle(...event)));
  }

  /** Subscribes, or tries again if the channel was refused. Returns the same channel each time. */
  subscribe(name) {
    this.#core.subscribe(name);
    if (!this.#channels.has(name)) this.#channels.set(name, new Channel(this, this.#core, name));
    return this.channel(name);
  }

  unsubscribe(name) {
    this.#core.unsubscribe(name);
    this.#channels.delete(name);
  }

  channel(name) {
    return this.#channels.get(name);
  }

  allChannels() {
    return [...this.#channels.values()];
  }

  signin() {
    this.#core.signin();
  }

  connect() {
    this.#core.connect();
  }

  disconnect() {
    this.#core.disconnect();
  }

  #handle(kind, channelName, event, data, more) {
    const channel = this.channel(channelName);
    const { connection, user } = this;
    switch (kind) {
      case "channel":
        channel?._emit(event, data, more === undefined ? undefined : { user_id: more });
        return this._emit(event, data);
      case "client":
        return this._emit(event, data);
      case "user":
        return user._emit(event, data);
      case "watchlist":
        return user.watchlist._emit(event, data);
      case "state":
        return connection._change(data, more);
      case "error": {
        const error = { type: "PusherError", data: { code: more ?? null, message: data } };
        return connection._emit(event, { type: "WebSocketError", error });
      }
      case "refused":
        // Without a channel, it is the sign-in that was refused.
        return (channelName === undefined ? user : channel)?._emit(event, { type: "AuthError", error: data, status: more });
      case "succeeded":
        return channel?._emit(event, channel.members ?? {});
      case "count":
        if (channel) channel.subscriptionCount = data;
        return channel?._emit(event, { subscription_count: data });
      case "member":
        return channel?._emit(event, { id: data, info: more });
      case "lost":
        return channel?._emit(event, { event: data, error: more });
      case "signin":
        user.user_data = JSON.parse(data);
        return this._emit(event, { user_data: data });
    }
  }
}

/** A channel. */
class Channel extends Emitter {
  #pusher;
  #core;
  /** How many connections are subscribed, if the server counts them. */
  subscriptionCount = null;

  constructor(pusher, core, name) {
    super();
    this.#pusher = pusher;
    this.#core = core;
    this.name = name;
  }

  /** Whether the server has confirmed the subscription on the current connection. */
  get subscribed() {
    return this.#isCurrent && this.#core.is_subscribed(this.name);
  }

  /** The current members of a presence channel. */
  get members() {
    const members = this.#isCurrent ? this.#core.members(this.name) : undefined;
    return members && new Members(members, this.#core.me(this.name));
  }

  /** Sends a client event; returns false if the channel is not subscribed, and throws if such an event can never be sent. */
  trigger(event, data) {
    return this.#isCurrent && this.#core.trigger(this.name, event, JSON.stringify(data) ?? "null");
  }

  unsubscribe() {
    if (this.#isCurrent) this.#pusher.unsubscribe(this.name);
  }

  get #isCurrent() {
    return this.#pusher.channel(this.name) === this;
  }
}

/** The members of a presence channel. */
class Members {
  constructor(members, myID) {
    this.members = members;
    this.count = Object.keys(members).length;
    this.myID = myID;
    this.me = myID === undefined ? null : this.get(myID);
  }

  get(id) {
    return Object.hasOwn(this.members, id) ? { id, info: this.members[id] } : null;
  }

  each(callback) {
    for (const id of Object.keys(this.members)) callback(this.get(id));
  }
}

/** The connection. */
class Connection extends Emitter {
  state = "initialized";
  socket_id = undefined;

  /** Only for this file. Takes the delay before the next attempt, or the id of the connection. */
  _change(name, more) {
    const previous = this.state;
    // pusher-js has no state for a delay. It is unavailable until it is connected.
    const tries = name === "waiting" || name === "connecting";
    this.state = tries ? (previous === "unavailable" ? previous : "connecting") : name;
    this.socket_id = name === "connected" ? more : undefined;
    if (this.state !== previous) {
      this._emit("state_change", { previous, current: this.state });
      this._emit(this.state, this.socket_id && { socket_id: this.socket_id });
    }
    if (name === "waiting") this._emit("connecting_in", Math.ceil(more));
  }
}

/** The signed-in user. */
class User extends Emitter {
  watchlist = new Emitter();
  user_data = null;
}

/** What the Rust part calls. */
class Host {
  #options;
  #channel;
  #user;

  constructor(options, emit) {
    const { wsHost, wsPort = 80, wssPort = 443, wsPath = "", forceTLS = true } = options;
    const channel = options.channelAuthorization ?? { endpoint: options.authEndpoint, ...options.auth };
    const user = options.userAuthentication ?? {};
    this.#channel = channel;
    this.#user = user;
    this.#options = {
      ...options,
      url: wsHost && (forceTLS ? `wss://${wsHost}:${wssPort}/` : `ws://${wsHost}:${wsPort}/`) + wsPath.replace(/^\/+/, ""),
      channelEndpoint: absolute(channel.endpoint, "/pusher/auth"),
      userEndpoint: absolute(user.endpoint, "/pusher/user-auth"),
    };
    this.emit = emit;
  }

  text(option) {
    return this.#options[option] || undefined;
  }

  number(option) {
    return this.#options[option];
  }

  /**
   * Headers or parameters of a request, names and values in turn: those that were given, and those that a function
   * returns. Without a channel, the request is for a sign-in, as in `authorize`.
   */
  credentials(channelName, name) {
    const endpoint = channelName === undefined ? "userEndpoint" : "channelEndpoint";
    if (!this.#options[endpoint]) throw new Error("the options need an absolute endpoint, since there is no base URL");
    const side = this.#side(channelName);
    return Object.entries({ ...side[name], ...side[`${name}Provider`]?.() }).flat().map(String);
  }

  /** The answer of the application's function as JSON, if there is such a function. */
  authorize(channelName, socketId) {
    const handler = this.#side(channelName).customHandler;
    return handler && new Promise((resolve, reject) => {
      handler({ socketId, channelName }, (error, data) => (error ? reject(error) : resolve(JSON.stringify(data))));
    });
  }

  #side(channelName) {
    return channelName === undefined ? this.#user : this.#channel;
  }
}

/** The URL of an endpoint. Where there is no base URL, as in a worker from a blob, there is no default endpoint. */
function absolute(given, standard) {
  try {
    return new URL(given ?? standard, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    return given;
  }
}
