const users = 200;
module.exports = { users };
