/** Who calls: `sub` of the token, and the roles it grants. */
export interface User {
  readonly id: string;
  readonly roles: readonly string[];
}
