/**
 * In the bundle of nodectl in place of string-width, which yargs and its libraries load for their help: it builds its tables of
 * all emoji as soon as it is loaded, and every command would wait for that. Plain text needs none of them.
 */
const plain = /^[ -~]*$/;
let real;
module.exports = (text, options) => {
  if (plain.test(text)) return text.length;
  real ??= require('../../node_modules/string-width/index.js').default;
  return real(text, options);
};
