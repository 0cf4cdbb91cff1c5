section-account = Mon compte
section-children = Mes enfants
section-services = Mes services
section-ways-in = Mes moyens de connexion

session-again-title = Confirmez que c’est bien vous
session-again-lead = Pour protéger votre compte, cette page demande votre mot de passe encore une fois. Vous reviendrez ensuite où vous étiez.
session-again-back = Revenir à mon compte
session-again-submit = Continuer

ways-in-title = Mes moyens de connexion
ways-in-login = Votre identifiant :
ways-in-password = Mot de passe
ways-in-password-text = Vous l’avez choisi vous-même. Personne d’autre ne le connaît, pas même l’établissement.
ways-in-password-change = Changer mon mot de passe
ways-in-password-changed = Votre mot de passe est changé. Vos autres connexions en cours ont été fermées.
ways-in-phone = Téléphone portable
ways-in-phone-text = Si vous oubliez votre identifiant ou votre mot de passe, un code est envoyé par SMS au numéro que l’établissement connaît. Ce numéro se change auprès de l’établissement.
ways-in-back = Revenir à mes moyens de connexion
