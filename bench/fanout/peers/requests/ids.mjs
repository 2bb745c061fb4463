// TypeIDs: a prefix and a UUID in 26 digits of base 32, as Baton writes them.
import { randomBytes } from 'node:crypto';

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

/** Return the public id of a UUID in hexadecimal digits with hyphens. */
export function formatId(prefix, uuid) {
  const hex = uuid.replaceAll('-', '');
  let result = `${prefix}_`;
  let rest = 0;
  let bits = 2; // 130 bits in 26 digits: the first has two bits too many
  for (let place = 0; place < 32; place += 2) {
    rest = (rest << 8) | Number.parseInt(hex.slice(place, place + 2), 16);
    for (bits += 8; bits >= 5; ) {
      bits -= 5;
      result += DIGITS[(rest >> bits) & 31];
    }
    rest &= (1 << bits) - 1;
  }
  return result;
}

/** Return the UUID of a public id; throw for anything else. */
export function parseId(prefix, id) {
  if (!id.startsWith(`${prefix}_`) || id.length !== prefix.length + 27) throw new Error('is not an id');
  let hex = '';
  let rest = 0;
  let bits = -2;
  for (const digit of id.slice(prefix.length + 1)) {
    const value = VALUES.get(digit);
    if (value === undefined) throw new Error('is not an id');
    rest = (rest << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      hex += ((rest >> bits) & 255).toString(16).padStart(2, '0');
      rest &= (1 << bits) - 1;
    }
  }
  return uuidOf(hex);
}

/** Return a new UUID of version 7. */
export function newId() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return uuidOf(bytes.toString('hex'));
}

function uuidOf(hex) {
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return parts.join('-');
}
