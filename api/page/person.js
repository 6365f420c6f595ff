// The name under which a person answers on a desk without keys. With a session, its name counts.
const KEY = 'desk-reviewer';

export const savedName = () => sessionStorage.getItem(KEY) ?? '';
export const saveName = (name) => sessionStorage.setItem(KEY, name);
