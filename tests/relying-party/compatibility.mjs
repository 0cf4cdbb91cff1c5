// What Node 18 lacks. Import this before the client library.
import { webcrypto } from 'node:crypto';
import { setDefaultResultOrder } from 'node:dns';

// The library uses the Web Crypto global, which Node 18 has but hides.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
// `localhost` may name ::1 first, where the provider need not listen; later versions try both.
setDefaultResultOrder('ipv4first');
