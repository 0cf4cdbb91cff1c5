// The client library uses the Web Crypto global, which Node 18 has but hides. Import this before the library.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
